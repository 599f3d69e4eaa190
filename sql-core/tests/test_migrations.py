"""From an empty database to the present schema, once, safely, and by two ways that end the same."""

from __future__ import annotations

import hashlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pgflow_sql
import psycopg
import pytest
from pgflow.embedded import find_binaries
from pgflow_sql import SCHEMA_VERSION, ForeignSchema, Migration, MigrationChanged, SchemaTooNew, migrations
from pgflow_testing.dump import dump_schema
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report

ROOT = Path(__file__).parent.parent
NEXT = Migration(SCHEMA_VERSION + 1, "add_a_mark", "create table pgflow.mark ();\n")


@pytest.fixture
def empty(pgflow_empty_database: str) -> str:
    return pgflow_empty_database


def has(dsn: str, name: str) -> bool:
    with psycopg.connect(dsn) as connection:
        return connection.execute("select to_regclass(%s) is not null", [name]).fetchone() == (True,)


def migrate(dsn: str, known: list[Migration] | None = None, *, autocommit: bool = True) -> list[int]:
    with psycopg.connect(dsn, autocommit=autocommit) as connection:
        return [migration.version for migration in pgflow_sql.migrate(connection, known)]


def psql(dsn: str, script: str) -> subprocess.CompletedProcess[str]:
    parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    environment = os.environ | {f"PG{key.upper()}": value for key, value in parts.items() if key != "dbname"}
    command = [str(find_binaries("18") / "psql"), "--no-psqlrc", "--dbname", parts["dbname"]]
    return subprocess.run(command, input=script, env=environment, capture_output=True, text=True, check=False)


def test_an_empty_database_gets_all_migrations_and_a_record_of_each(empty: str) -> None:
    assert migrate(empty) == list(range(1, SCHEMA_VERSION + 1))
    with psycopg.connect(empty, row_factory=dict_row) as connection:
        rows = connection.execute("select * from pgflow.migrations order by version").fetchall()
    assert [(row["version"], row["name"], row["checksum"]) for row in rows] == [
        (migration.version, migration.name, migration.checksum) for migration in migrations()
    ]
    assert all(row["applied_at"].tzinfo is not None for row in rows)


def test_the_schema_says_its_version(empty: str) -> None:
    migrate(empty)
    with psycopg.connect(empty) as connection:
        assert connection.execute("select pgflow.schema_version()").fetchone() == (SCHEMA_VERSION,)
    assert migrations()[-1].version == SCHEMA_VERSION


def test_again_changes_nothing(empty: str) -> None:
    migrate(empty)
    before = dump_schema(empty)
    assert migrate(empty) == []
    assert dump_schema(empty) == before


def test_only_what_is_missing_is_applied(empty: str) -> None:
    migrate(empty)
    assert migrate(empty, [*migrations(), NEXT]) == [NEXT.version]
    assert has(empty, "pgflow.mark")


def test_a_connection_in_a_transaction_leaves_the_commit_to_its_owner(empty: str) -> None:
    with psycopg.connect(empty, row_factory=dict_row) as connection:
        connection.execute("select 1")
        pgflow_sql.migrate(connection)
        connection.rollback()
    assert not has(empty, "pgflow.migrations")
    assert migrate(empty, autocommit=False) == list(range(1, SCHEMA_VERSION + 1))
    assert has(empty, "pgflow.migrations")


def test_two_at_a_time_apply_each_once(empty: str) -> None:
    known = [
        *migrations(),
        *(replace(NEXT, version=NEXT.version + i, sql=f"create table pgflow.mark_{i} ();") for i in range(5)),
    ]
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: migrate(empty, known), range(4)))
    assert sorted(version for versions in applied for version in versions) == [
        migration.version for migration in known
    ]


def test_a_migration_that_fails_leaves_no_trace(empty: str) -> None:
    broken = replace(NEXT, sql="create table pgflow.mark ();\nselect 1 / 0;\n")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty, [*migrations(), broken])
    assert not has(empty, "pgflow.mark")
    assert migrate(empty, [*migrations(), NEXT]) == [NEXT.version]


@pytest.mark.parametrize("schema", ["pgflow", "pgflow_locks"])
def test_a_schema_of_somebody_else_is_left_alone(empty: str, schema: str) -> None:
    """The TypeScript pgflow installs a schema `pgflow` with tables of the same names."""
    with psycopg.connect(empty) as connection:
        connection.execute(f"create schema {schema}")  # type: ignore[arg-type]
        connection.execute(f"create table {schema}.migrations (name text primary key)")  # type: ignore[arg-type]
    before = dump_schema(empty)
    with pytest.raises(ForeignSchema) as caught:
        migrate(empty)
    for told in (
        conninfo_to_dict(empty)["dbname"],
        f"schema {schema} ",
        "Use another database",
        "alter schema",
    ):
        assert str(told) in str(caught.value)
    assert dump_schema(empty) == before


def test_a_newer_database_is_left_alone(empty: str) -> None:
    migrate(empty, [*migrations(), NEXT])
    with pytest.raises(SchemaTooNew, match=f"version {NEXT.version}, this release knows {SCHEMA_VERSION}"):
        migrate(empty)


def test_a_changed_migration_is_noticed(empty: str) -> None:
    first = migrations()[0]
    migrate(empty)
    with pytest.raises(MigrationChanged, match="Migration 1 \\(initial\\)"):
        migrate(empty, [replace(first, sql=first.sql + "-- a late thought\n"), *migrations()[1:], NEXT])
    assert not has(empty, "pgflow.mark")


def test_a_checksum_is_of_the_text() -> None:
    assert NEXT.checksum == hashlib.sha256(NEXT.sql.encode()).hexdigest()


def test_a_fresh_install_is_what_the_migrations_make(pgflow_database: str, empty: str) -> None:
    """Rule 84: by their dumps."""
    migrate(empty)
    assert dump_schema(empty) == dump_schema(pgflow_database)
    assert migrate(pgflow_database) == []


def test_the_initial_migration_is_up_to_date() -> None:
    assert migrations()[0].sql == pgflow_sql.initial_migration(), "run: hatch run refresh"


def test_an_upgrade_loses_nothing_that_is_in_flight(empty: str) -> None:
    """Rule 84: sessions that work through it go on, with the plans they had and the tasks they hold."""
    migrate(empty)
    with psycopg.connect(empty, autocommit=True) as first, psycopg.connect(empty, autocommit=True) as second:
        worker, user = Engine(first), Engine(second)
        worker.define(
            "f", step("a"), map_step("m", "run"), step("late", start_delay=900), step("end", "a", "m")
        )
        for session in (worker, user):
            session.at(0)
        for _ in range(8):  # plans become generic ones
            user.cancel(user.run("f", [1]))
            worker.work_off()
        run_id = user.run("f", [1, 2])
        tasks = worker.take_all()
        assert worker.complete(tasks["m[0]"], "kept") == "completed"
        tables = ("flows", "steps", "runs", "run_steps", "map_tasks", "ready_tasks", "timers", "queues")
        added = "".join(f"alter table pgflow.{name} add column mark int default 7;" for name in tables)
        migrate(empty, [*migrations(), replace(NEXT, sql=added)])
        assert worker.complete(tasks["a"], 1) == "completed"
        assert worker.report([complete_report(tasks["m[1]"], 2)]) == ["completed"]
        late = user.run("f", [3])
        worker.work_off()
        worker.at(1000)
        worker.maintain()
        worker.work_off()
        assert [user.status(each) for each in (run_id, late)] == ["completed"] * 2
        assert user.step(run_id, "m").output == ["kept", 2]
        assert user.violations() == []


def test_the_snapshot_is_up_to_date(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        if connection.info.server_version < 180000:
            pytest.skip("the snapshot is written with PostgreSQL 18; others word views in another way")
    migrate(empty)
    snapshot = (ROOT / "schema.snapshot.sql").read_text(encoding="utf-8")
    assert dump_schema(empty) == snapshot, "run: hatch run refresh, and look at the difference"


def test_the_script_for_psql_does_the_same(empty: str, pgflow_database: str) -> None:
    done = psql(empty, pgflow_sql.migration_script())
    assert done.stderr == ""
    assert dump_schema(empty) == dump_schema(pgflow_database)
    assert migrate(empty) == []


def test_the_script_run_twice_changes_nothing(empty: str) -> None:
    psql(empty, pgflow_sql.migration_script())
    before = dump_schema(empty)
    assert 'schema "pgflow" already exists' in psql(empty, pgflow_sql.migration_script()).stderr
    assert dump_schema(empty) == before


def test_the_script_continues_from_a_version(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(empty)
    known = (*migrations(), NEXT)
    monkeypatch.setattr("pgflow_sql.migration.migrations", lambda: known)
    assert psql(empty, pgflow_sql.migration_script(SCHEMA_VERSION)).stderr == ""
    assert has(empty, "pgflow.mark")
    assert migrate(empty, [*known]) == []
    again = psql(empty, pgflow_sql.migration_script(SCHEMA_VERSION))
    assert f"needs a database with version {SCHEMA_VERSION}" in again.stderr


@pytest.mark.parametrize("version", [-1, SCHEMA_VERSION + 1])
def test_the_script_from_an_unknown_version_is_refused(version: int) -> None:
    with pytest.raises(ValueError, match=f"between 0 and {SCHEMA_VERSION}"):
        pgflow_sql.migration_script(version)


def test_the_lock_is_the_one_of_the_schema(pgflow_database: str) -> None:
    with psycopg.connect(pgflow_database) as holder, psycopg.connect(pgflow_database) as migrator:
        holder.execute("select pgflow_locks.lock_migration()")
        migrator.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            pgflow_sql.migrate(migrator)
