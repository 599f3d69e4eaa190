"""`pgflow.doctor()`: each check finds what it is for on a real server, and nothing once that is mended."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pgflow_sql
import psycopg
import pytest
from pgflow.embedded import EmbeddedServer
from pgflow_testing.binaries import take_binaries
from psycopg.conninfo import make_conninfo

from .support.definitions import step
from .support.engine import Engine, Row, reference, refused, release_report
from .support.sessions import until

#: What makes rare conditions quick to reach.
SETTINGS = {
    "autovacuum_freeze_max_age": "100000",
    "max_connections": "20",
    "max_locks_per_transaction": "100",
    "max_prepared_transactions": "5",
}


@dataclass
class Patient:
    """A database of the server that is examined."""

    dsn: Callable[[str], str]
    database: str
    engine: Engine

    def session(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn(self.database), autocommit=True)

    def look(self, check: str | None = None) -> list[Row]:
        return self.engine.rows("select * from pgflow.doctor(%s)", check)

    def later(self, time: str) -> None:
        """Let the engine's clock be ahead of the real one, in which transactions and statistics are dated."""
        self.engine.rows("select set_config('pgflow.fake_now', (now() + %s::interval)::text, false)", time)

    def reconfigure(self, statement: str) -> None:
        self.engine.rows(statement)
        self.engine.rows("select pg_reload_conf()")
        self.engine.connection.close()
        self.engine = Engine(self.session())


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A server of this module's own: what is wrong with it is nobody else's."""
    version = os.environ.get("PGFLOW_TEST_POSTGRES") or "18"
    folder = tmp_path_factory.mktemp("hospital")
    with EmbeddedServer.ensure(
        folder, version=version, binaries=take_binaries(version), settings=SETTINGS, temporary=True
    ) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("create database sound")
        with psycopg.connect(server.dsn("sound")) as connection:
            pgflow_sql.install(connection)
        yield server.dsn
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            _forget_the_disk(admin)


def _forget_the_disk(admin: psycopg.Connection[Any]) -> None:
    """Nobody will read what the last checkpoint writes: without this it waits a minute for a busy disk."""
    admin.execute("alter system set fsync = off")
    admin.execute("select pg_reload_conf()")
    until(lambda: admin.execute("show fsync").fetchone() == ("off",))


@pytest.fixture
def patient(hospital: Callable[[str], str]) -> Iterator[Patient]:
    name = f"patient_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(hospital("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} template sound")  # type: ignore[arg-type]
    found = Patient(hospital, name, Engine(psycopg.connect(hospital(name), autocommit=True)))
    yield found
    found.engine.connection.close()


def autovacuum(patient: Patient) -> Iterator[str]:
    patient.engine.rows("alter table pgflow.runs set (autovacuum_enabled = off)")
    yield "pgflow.runs"
    patient.engine.rows("alter table pgflow.runs reset (autovacuum_enabled)")


def dead_rows(patient: Patient) -> Iterator[str]:
    patient.engine.rows("alter table pgflow.completed_task_logs set (autovacuum_enabled = off)")
    patient.engine.rows("""insert into pgflow.completed_task_logs
        select gen_random_uuid(), 'a', 0, 1, '', now() from generate_series(1, 60000)""")
    patient.engine.rows("delete from pgflow.completed_task_logs")
    patient.engine.rows("select pg_stat_force_next_flush()")
    assert patient.look("dead_rows") == []
    patient.later("1 hour")
    yield "pgflow.completed_task_logs"
    patient.engine.rows("vacuum pgflow.completed_task_logs")


def invalid_indexes(patient: Patient) -> Iterator[str]:
    mark = "update pg_index set indisvalid = %s where indexrelid = 'pgflow.runs_idempotency_key'::regclass"
    patient.engine.rows(mark, False)
    yield "pgflow.runs_idempotency_key"
    patient.engine.rows("reindex index concurrently pgflow.runs_idempotency_key")


def launch_failures(patient: Patient) -> Iterator[str]:
    run_id = started(patient, executor="remote")
    patient.engine.claim(1, executor="remote", mode="launch")
    patient.later("1 hour")
    patient.engine.maintain()
    yield "executor remote"
    patient.engine.cancel(run_id)


def long_transactions(patient: Patient) -> Iterator[str]:
    with patient.session() as other:
        other.execute("begin")
        other.execute("select pgflow_locks.lock_runs(array[gen_random_uuid()])")
        assert patient.look("long_transactions") == []
        patient.later("2 minutes")
        yield f"pid {other.info.backend_pid}"
        other.execute("rollback")


def missing_handlers(patient: Patient) -> Iterator[str]:
    run_id = started(patient)
    for _ in range(2):
        assert patient.look("missing_handlers") == []
        error = {"code": "HANDLER_MISSING", "message": "no module jobs"}
        patient.engine.report([release_report(patient.engine.take()) | {"error": error}])
    yield "jobs:a"
    patient.engine.cancel(run_id)


def overdue_timers(patient: Patient) -> Iterator[str]:
    started(patient)
    patient.engine.take()
    assert patient.look("overdue_timers") == []
    patient.later("1 hour")
    yield "executor local"
    patient.engine.maintain()


def paused_executors(patient: Patient) -> Iterator[str]:
    patient.engine.rows("select pgflow.pause_executor('local', 'moving house')")
    yield "executor local"
    patient.engine.rows("select pgflow.resume_executor('local')")


def refused_executors(patient: Patient) -> Iterator[str]:
    started(patient)
    task = patient.engine.take(mode="launch")
    patient.engine.launches(reference(task) | {"outcome": "rejected", "kind": "operator", "reason": "403"})
    assert patient.look("paused_executors") == []
    yield "executor local"
    patient.engine.rows("select pgflow.resume_executor('local')")


def paused_runs(patient: Patient) -> Iterator[str]:
    run_id = started(patient)
    patient.engine.rows("select pgflow.pause_run(%s)", run_id)
    yield "flow f"
    patient.engine.rows("select pgflow.resume_run(%s)", run_id)


def prepared_transactions(patient: Patient) -> Iterator[str]:
    with patient.session() as other:
        other.execute("begin")
        other.execute("create table public.mark ()")
        other.execute("prepare transaction 'forgotten'")
    assert patient.look("prepared_transactions") == []
    patient.later("1 hour")
    yield "forgotten"
    patient.engine.rows("rollback prepared 'forgotten'")


def replication_slots(patient: Patient) -> Iterator[str]:
    patient.engine.rows("select pg_create_physical_replication_slot('unread', true)")
    yield "unread"
    patient.engine.rows("select pg_drop_replication_slot('unread')")


def rights(patient: Patient) -> Iterator[str]:
    patient.engine.rows("create role small_owner login password 'known'")
    name = patient.database
    patient.engine.rows(f"grant create on database {name} to small_owner")
    patient.engine.rows("drop schema pgflow, pgflow_locks cascade")
    dsn = make_conninfo(patient.dsn(name), user="small_owner", password="known")
    with psycopg.connect(dsn) as connection:
        pgflow_sql.install(connection)
    yield "small_owner"
    patient.engine.rows("grant pg_read_all_stats to small_owner")


def roles(patient: Patient) -> Iterator[str]:
    patient.engine.rows("revoke execute on function pgflow.maintain() from pgflow_dispatcher")
    yield "pgflow_dispatcher"
    patient.engine.rows("select pgflow.grant_roles()")


def settings(patient: Patient) -> Iterator[str]:
    patient.reconfigure("alter system set fsync = off")
    yield "fsync"
    patient.reconfigure("alter system reset fsync")


def unclaimed_tasks(patient: Patient) -> Iterator[str]:
    started(patient, executor="nobody")
    assert patient.look("unclaimed_tasks") == []
    patient.later("10 minutes")
    yield "executor nobody"
    patient.engine.claim(1, executor="nobody")


def wraparound(patient: Patient) -> Iterator[str]:
    for _ in prepared_transactions(patient):  # keeps PostgreSQL from mending it at once
        patient.engine.rows("create table public.spent (n int)")
        patient.engine.rows("""do $$ begin
            for i in 1..160000 loop
              begin insert into public.spent values (i); exception when others then raise; end;
            end loop; end $$""")
        yield "pgflow.runs"
    patient.engine.rows("vacuum (freeze) pgflow.runs")
    with psycopg.connect(patient.dsn("sound"), autocommit=True) as others:
        others.execute("vacuum (freeze)")  # the next patients are copies of it


CASES = (
    autovacuum, dead_rows, invalid_indexes, launch_failures, long_transactions, missing_handlers,
    overdue_timers, paused_executors, paused_runs, prepared_transactions, refused_executors,
    replication_slots, rights, roles, settings, unclaimed_tasks, wraparound,
)  # fmt: skip
NOTES = {"paused_executors", "paused_runs"}


def started(patient: Patient, executor: str = "local") -> uuid.UUID:
    patient.engine.define("f", step("a", executor=executor, handler="jobs:a"))
    return patient.engine.run("f")


def test_a_timer_of_a_task_that_has_ended_is_not_overdue(patient: Patient) -> None:
    started(patient)
    patient.engine.complete(patient.engine.take())
    patient.later("1 hour")
    assert patient.engine.value("select count(*) from pgflow.timers") == 1
    assert patient.look("overdue_timers") == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_check_finds_what_is_wrong_until_it_is_mended(
    patient: Patient, case: Callable[[Patient], Iterator[str]]
) -> None:
    check = case.__name__

    def subjects() -> dict[str, Row]:
        return {row.subject: row for row in patient.look(check)}

    with contextmanager(case)(patient) as subject:
        found = subjects()[subject]
        assert found.check_name == check
        assert found.severity in ({"note"} if check in NOTES else {"error", "warning", "unknown"})
        assert found.finding
        assert found.mend
    assert subject not in subjects()


def test_every_check_is_tried(patient: Patient) -> None:
    known = patient.engine.rows("select check_name, description from pgflow.doctor_checks")
    assert {row.check_name for row in known} == {case.__name__ for case in CASES}
    assert all(row.description for row in known)


def test_a_sound_database_has_no_errors(patient: Patient) -> None:
    started(patient)
    patient.engine.take()
    found = {(row.check_name, row.subject) for row in patient.look()}
    assert found == {
        ("settings", "idle_in_transaction_session_timeout"),
        ("settings", "max_locks_per_transaction"),
    }


@pytest.mark.parametrize(
    ("name", "bad", "severity"),
    [
        ("autovacuum", "off", "error"),
        ("track_counts", "off", "error"),
        ("full_page_writes", "off", "error"),
        ("synchronous_commit", "off", "warning"),
        ("default_transaction_isolation", "'repeatable read'", "warning"),
        ("statement_timeout", "'5s'", "warning"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(patient: Patient, name: str, bad: str, severity: str) -> None:
    patient.reconfigure(f"alter system set {name} = {bad}")
    (found,) = [row for row in patient.look("settings") if row.subject == name]
    assert found.severity == severity
    assert f"{name} = " in found.finding
    patient.reconfigure(f"alter system reset {name}")
    assert name not in {row.subject for row in patient.look("settings")}


def test_the_mend_of_a_setting_names_the_database_and_runs(patient: Patient) -> None:
    name = "idle_in_transaction_session_timeout"
    (found,) = [row for row in patient.look("settings") if row.subject == name]
    patient.engine.rows(found.mend)
    assert patient.engine.value(
        "select count(*) from pg_db_role_setting where setconfig::text like %s", f"%{name}%"
    )


def test_a_missing_role_is_a_note(patient: Patient) -> None:
    patient.engine.rows("alter role pgflow_viewer rename to viewer_of_old")
    (found,) = patient.look("roles")
    assert (found.severity, found.subject) == ("note", "pgflow_viewer")
    patient.engine.rows("alter role viewer_of_old rename to pgflow_viewer")
    assert patient.look("roles") == []


@pytest.mark.parametrize("role", ["pgflow_viewer", "pgflow_dispatcher"])
def test_who_reads_everything_may_ask_the_doctor(patient: Patient, role: str) -> None:
    expected = patient.look()
    patient.engine.rows(f"set role {role}")
    assert patient.look() == expected
    assert len(patient.engine.rows("select * from pgflow.doctor_checks")) == len(CASES)


def test_the_usual_room_for_locks_is_enough(engine: Engine) -> None:
    found = engine.rows("select subject from pgflow.doctor('settings')")
    assert "max_locks_per_transaction" not in {row.subject for row in found}


def test_a_transaction_without_our_locks_is_a_warning(patient: Patient) -> None:
    with patient.session() as other:
        other.execute("begin isolation level repeatable read")
        other.execute("select count(*) from pgflow.runs")
        patient.later("2 minutes")
        (found,) = patient.look("long_transactions")
        assert (found.severity, "vacuum" in found.finding) == ("warning", True)
        other.execute("rollback")


def test_work_that_waits_while_others_are_done_is_a_note(patient: Patient) -> None:
    patient.engine.define("f", step("a", timeout=10_000))
    for _ in range(2):
        patient.engine.run("f")
    patient.engine.claim(1, lease=5_000)
    patient.later("10 minutes")
    (found,) = patient.look("unclaimed_tasks")
    assert found.severity == "note"


def test_a_check_that_cannot_look_says_why(patient: Patient) -> None:
    with patient.session() as other:
        other.execute("begin")
        other.execute("lock table pgflow.executors")
        (found,) = patient.look("paused_executors")
        other.execute("rollback")
    assert (found.severity, found.finding) == (
        "unknown",
        "could not look: canceling statement due to lock timeout",
    )
    assert patient.look("paused_executors") == []


def test_an_unknown_check_is_refused(engine: Engine) -> None:
    with refused("PF008", '"colour"', "doctor_checks"):
        engine.rows("select * from pgflow.doctor('colour')")


def test_missing_indexes_are_those_that_a_release_ships_and_the_database_lacks(engine: Engine) -> None:
    query = "select pgflow.missing_indexes(%s) as name order by name"
    expected = sorted(pgflow_sql.index_names())
    present = engine.rows("""select relname as name from pg_class
        where relnamespace = 'pgflow'::regnamespace and relkind = 'i' order by 1""")
    assert [row.name for row in present] == expected
    assert engine.rows(query, expected) == []
    engine.rows("drop index pgflow.deps_by_step")
    assert [row.name for row in engine.rows(query, expected)] == ["deps_by_step"]
