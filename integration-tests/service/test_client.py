"""The synchronous client, against a worker that knows the SQL functions alone."""

from __future__ import annotations

import itertools
import threading
import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pgflow import (
    BadInput,
    Client,
    Conflict,
    FlowNotFound,
    InputError,
    NotPossible,
    RunCancelled,
    RunFailed,
    RunNotFound,
    TooLarge,
)
from trial import Bill, Order, billing, both, chain, double, optional, refusing, single


@pytest.fixture
def client(pgflow_database):
    with Client(pgflow_database) as client:
        yield client


def test_deploy_says_what_changed(client):
    first = client.deploy(single)
    again = client.deploy(single)
    assert (first.flow_version, first.created, again.flow_version, again.created) == (1, True, 1, False)
    assert "double" in first.changes[0]
    assert again.changes == ()


def test_result_has_the_type_of_the_flow(client, worker):
    client.deploy(billing)
    handle = client.start(billing, Order("ada", [1, 2, 3]))
    assert handle.result(30) == Bill("ada", 9)
    assert handle.status() == "completed"


def test_result_of_several_steps(client, worker):
    client.deploy(both)
    assert client.start(both, 4).result(30) == (8, -4)


def test_result_of_a_skipped_step_is_none(client, worker):
    client.deploy(optional)
    assert client.start(optional, 4).result(30) is None


def test_failed_run_raises_with_step_code_and_traceback(client, worker):
    client.deploy(refusing)
    handle = client.start(refusing, 7)
    with pytest.raises(RunFailed) as caught:
        handle.result(30)
    assert caught.value.run_id == handle.run_id
    assert caught.value.step_slug == "refuse"
    assert "no 7 today" in str(caught.value)
    assert any("in refuse" in note for note in caught.value.__notes__)


def test_cancelled_run_raises_with_the_reason(client):
    client.deploy(single)
    handle = client.start(single, 1)
    assert handle.cancel("changed my mind") is True
    assert handle.cancel() is False
    with pytest.raises(RunCancelled, match="changed my mind"):
        handle.result(30)


def test_timeout_leaves_the_run_alone(client):
    client.deploy(single)
    handle = client.start(single, 1)
    with pytest.raises(TimeoutError, match="goes on"):
        handle.result(0.2)
    assert handle.status() == "running"


def test_wrong_input_is_refused_with_the_name_of_the_field_before_anything_is_sent(client):
    with pytest.raises(InputError) as caught:
        client.start(billing, Order("ada", ["many"]))  # type: ignore[list-item]
    assert caught.value.field == "amounts.0"


def test_flow_that_is_not_deployed_is_named(client):
    with pytest.raises(FlowNotFound, match="single"):
        client.start(single, 1)


def test_same_run_id_is_the_same_run_and_other_content_a_conflict(client):
    client.deploy(single)
    run_id = uuid.uuid4()
    assert client.start(single, 1, run_id=run_id).created is True
    assert client.start(single, 1, run_id=run_id).created is False
    with pytest.raises(Conflict):
        client.start(single, 2, run_id=run_id)


def test_same_idempotency_key_is_the_same_run(client):
    client.deploy(single)
    first = client.start(single, 1, idempotency_key="k")
    second = client.start(single, 1, idempotency_key="k")
    assert (second.run_id, second.created) == (first.run_id, False)


def test_start_many_keeps_the_order_and_is_all_or_none(client, worker):
    client.deploy(single)
    handles = client.start_many(single, range(2500))
    assert handles[1234].result(60) == 2468
    assert client.get_run(handles[2499].run_id).input == 2499
    with pytest.raises(InputError, match="input 1"):
        client.start_many(single, [1, "two", 3])  # type: ignore[list-item]


def test_start_many_takes_an_idempotency_key_for_each(client):
    client.deploy(single)
    first = client.start_many(single, [1, 2], idempotency_keys=["a", "b"])
    second = client.start_many(single, [2, 3], idempotency_keys=["b", "c"])
    assert [handle.created for handle in second] == [False, True]
    assert second[0].run_id == first[1].run_id
    with pytest.raises(InputError, match="2 inputs and 1 idempotency keys"):
        client.start_many(single, [1, 2], idempotency_keys=["a"])


def test_start_by_slug_gives_the_raw_output(client, worker):
    client.deploy(single)
    assert client.start_by_slug("single", 21).result(30) == {double.__name__: 42}
    with pytest.raises(InputError):
        client.start_by_slug("single", {1, 2})


def test_json_that_postgres_cannot_store_is_a_bad_input(client):
    client.deploy(single)
    with pytest.raises(BadInput):
        client.start_by_slug("single", "a\0b")


def test_start_at_keeps_tasks_from_workers(client, worker):
    client.deploy(single)
    later = client.start(single, 1, start_at=datetime.now(UTC) + timedelta(hours=1))
    assert client.start(single, 1).result(30) == 2
    assert later.status() == "running"
    with pytest.raises(InputError, match="time zone"):
        client.start(single, 1, start_at=datetime(2030, 1, 1))


def test_runs_are_found_by_status_flow_and_tags(client, worker):
    client.deploy(single)
    client.deploy(chain)
    ended = client.start(single, 1, tags={"team": "a"})
    ended.result(30)
    waiting = client.start(
        chain, 1, tags={"team": "b"}, priority=7, start_at=datetime.now(UTC) + timedelta(hours=1)
    )
    assert [run.run_id for run in client.runs(status="completed")] == [ended.run_id]
    assert [run.run_id for run in client.runs(flow="chain")] == [waiting.run_id]
    assert [run.run_id for run in client.runs(tags={"team": "a"})] == [ended.run_id]
    newest, oldest = client.runs()
    assert (newest.run_id, oldest.run_id) == (waiting.run_id, ended.run_id)
    assert client.runs(limit=1) == [newest]


def test_get_run_tells_of_every_step(client, worker):
    client.deploy(billing)
    handle = client.start(billing, Order("ada", [1, 2, 3]))
    handle.result(30)
    run = client.get_run(str(handle.run_id))
    assert run.ended
    assert run.input == {"name": "ada", "amounts": [1, 2, 3]}
    taxes = run.steps[1]
    assert (taxes.step_slug, taxes.step_type, taxes.task_count) == ("add_tax", "map", 3)
    assert taxes.tasks["completed"] == 3
    assert taxes.deps == ("amounts_of",)


def test_unknown_run_and_what_is_no_run_id(client):
    missing = uuid.uuid4()
    for ask in (client.get_run, client.cancel, client.retry, lambda run_id: client.run(run_id).status()):
        with pytest.raises(RunNotFound):
            ask(missing)
    with pytest.raises(RunNotFound):
        client.run(missing).result(1)
    with pytest.raises(InputError, match="not a run id"):
        client.get_run("last")


def test_retry_reopens_a_failed_run(client, worker):
    client.deploy(refusing)
    handle = client.start(refusing, 7)
    with pytest.raises(RunFailed):
        handle.result(30)
    worker.stop.set()
    client.retry(handle.run_id)
    assert handle.status() == "running"
    with pytest.raises(NotPossible):
        client.retry(handle.run_id)


def test_paused_run_waits(client, worker):
    client.deploy(single)
    client.pause_executor("local", "maintenance")
    handle = client.start(single, 1)
    client.pause_run(handle.run_id)
    client.resume_executor("local")
    assert client.start(single, 5).result(30) == 10
    assert client.get_run(handle.run_id).paused_at is not None
    client.resume_run(handle.run_id)
    assert handle.result(30) == 2


def test_watch_yields_every_change_until_the_end(client, worker):
    client.deploy(chain)
    seen = list(client.start(chain, 3).watch(30))
    assert seen[-1].status == "completed"
    assert seen[-1].output == {"negate": -6}
    assert all(before != after for before, after in itertools.pairwise(seen))


def test_watch_of_a_waiting_run_times_out(client):
    client.deploy(single)
    watching = client.start(single, 3).watch(0.2)
    assert next(watching).status == "running"
    with pytest.raises(TimeoutError):
        next(watching)


def test_run_can_be_taken_up_again_with_its_type(client, worker, pgflow_database):
    client.deploy(billing)
    handle = client.start(billing, Order("ada", [1]))
    with Client(pgflow_database) as other:
        assert other.run(str(handle.run_id), billing).result(30) == Bill("ada", 2)
        assert other.run(handle.run_id).result(30) == {"bill": {"name": "ada", "total": 2}}


def test_threads_share_a_client(client, worker):
    client.deploy(single)
    results: dict[int, int] = {}

    def run(number: int) -> None:
        results[number] = client.start(single, number).result(30)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {number: 2 * number for number in range(8)}


class TestOwnConnection:
    """`Client(connection=...)`: inside the user's transaction."""

    def test_run_exists_iff_the_caller_commits(self, client, worker, pgflow_database):
        client.deploy(single)
        with psycopg.connect(pgflow_database) as connection:
            kept = Client(connection=connection).start(single, 1)
            with pytest.raises(RunNotFound):
                client.get_run(kept.run_id)
            connection.commit()
            dropped = Client(connection=connection).start(single, 2)
            connection.rollback()
            assert kept.result(30) == 2
            with pytest.raises(RunNotFound):
                client.get_run(dropped.run_id)

    def test_waiting_inside_the_transaction_is_refused(self, client, pgflow_database):
        client.deploy(single)
        with psycopg.connect(pgflow_database) as connection:
            handle = Client(connection=connection).start(single, 1)
            with pytest.raises(NotPossible, match="commit"):
                handle.result(1)

    def test_nothing_is_committed_and_no_transaction_is_left_open(self, client, worker, pgflow_database):
        client.deploy(single)
        with psycopg.connect(pgflow_database) as connection:
            borrowing = Client(connection=connection)
            handles = borrowing.start_many(single, [1, 2])
            assert connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
            connection.commit()
            assert [handle.result(30) for handle in handles] == [2, 4]
            assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
            borrowing.close()
            assert not connection.closed

    def test_row_factory_and_loaders_of_the_connection_do_not_matter(self, client, worker, pgflow_database):
        from psycopg.rows import dict_row
        from psycopg.types.json import set_json_loads

        client.deploy(both)
        with psycopg.connect(pgflow_database, autocommit=True, row_factory=dict_row) as connection:
            set_json_loads(lambda _: {"not": "this"}, connection)
            assert Client(connection=connection).start(both, 3).result(30) == (6, -3)

    def test_dsn_and_connection_exclude_each_other(self, pgflow_connection):
        with pytest.raises(TypeError, match="not both"):
            Client("postgresql://x", connection=pgflow_connection)


class TestLostConnection:
    """The server ends the client's connections."""

    def test_start_is_sent_again_and_starts_one_run(self, client, pgflow_connection):
        client.deploy(single)
        self.disconnect(pgflow_connection)
        client.start(single, 1)
        assert len(client.runs()) == 1

    def test_waiting_goes_on(self, client, worker, pgflow_connection, eventually):
        client.deploy(single)
        handle = client.start(single, 5, start_at=datetime.now(UTC) + timedelta(hours=1))
        reasons: list[str | None] = []

        def wait() -> None:
            try:
                handle.result(60)
            except RunCancelled as cancelled:
                reasons.append(cancelled.reason)

        thread = threading.Thread(target=wait)
        thread.start()
        eventually(lambda: "pgflow_events" in self.queries(pgflow_connection))
        self.disconnect(pgflow_connection)
        pgflow_connection.execute("select pgflow.cancel_run(%s, 'enough')", [handle.run_id])
        thread.join(60)
        assert reasons == ["enough"]

    @staticmethod
    def queries(connection) -> str:
        rows = connection.execute(
            "select query from pg_stat_activity where application_name = 'pgflow client'"
        ).fetchall()
        return " ".join(row["query"] for row in rows)

    @staticmethod
    def disconnect(connection) -> None:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgflow client' "
            "and datname = current_database()"
        )


def test_an_input_that_is_too_large_is_said_with_its_size(client, pgflow_connection):
    pgflow_connection.execute("select pgflow.define_flow(pgflow.flow('raw', pgflow.step('a')))")
    with pytest.raises(TooLarge, match=r"input 1 has 17\d+ bytes, more than the 16777216"):
        client.start_by_slug("raw", "x" * 17_000_000)
