"""`createWorker` against the real API, under Deno and Node: items, failures, stops, outages."""

from __future__ import annotations

import time

import pytest
from pgflow import RunFailed
from pulled_flows import Text, holding, letters, refusing

from .conftest import SECONDS

pytestmark = pytest.mark.slow

WORDS = [f"word{number}" for number in range(50)]


def attempts(connection) -> list[tuple[str, str]]:
    rows = connection.execute(
        "select step_slug, outcome from pgflow.step_task_attempts order by run_id, task_index, attempt"
    )
    return [(row["step_slug"], row["outcome"]) for row in rows.fetchall()]


def test_items_are_run_and_failed_ones_again(worker, client, pgflow_connection):
    running = worker(PGFLOW_CONCURRENCY="8")
    run = client.start(letters, Text(" ".join(WORDS)))
    assert run.result(SECONDS) == 2 * sum(map(len, WORDS))
    assert attempts(pgflow_connection) == [("measure", "failed")] * 5
    assert running.stop() == 0


def test_what_a_handler_throws_is_the_error_of_the_run(worker, client):
    worker()
    with pytest.raises(RunFailed, match="never") as failed:
        client.start(refusing, None).result(SECONDS)
    assert (failed.value.error["code"], failed.value.error["type"]) == ("NON_RETRYABLE", "NonRetryable")


def test_a_worker_that_stops_hands_back_what_it_has(worker, client, pgflow_connection):
    first = worker()
    run = client.start(holding, None)
    first.until("holding")
    assert first.stop() == 0
    assert first.lines[-1] == "told to stop"
    assert attempts(pgflow_connection) == [("hold", "released")]
    worker(PGFLOW_RELEASED="yes")
    assert run.result(SECONDS) == "held"
    row = pgflow_connection.execute("select attempt, failures from pgflow.step_tasks").fetchone()
    assert (row["attempt"], row["failures"]) == (2, 0)


def test_a_cancelled_run_aborts_the_handler_and_the_worker_goes_on(worker, client):
    running = worker()
    run = client.start(holding, None)
    running.until("holding")
    run.cancel()
    running.until("told to stop")
    assert client.start(letters, Text("one two")).result(SECONDS) == 12


def test_a_worker_outlives_an_outage(worker, line, client, pgflow_connection):
    running = worker(PGFLOW_URL=line.url)
    assert client.start(letters, Text("a b")).result(SECONDS) == 4
    line.cut()
    run = client.start(letters, Text("one three"))
    running.until("problem: no answer")
    deadline = time.monotonic() + SECONDS
    while line.refused < 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert run.status() == "running"
    line.mend()
    assert run.result(SECONDS) == 16
    assert running.stop() == 0


def test_a_key_that_is_not_good_for_this_ends_the_worker(worker):
    refused = worker(PGFLOW_KEY="pgflow_key_nonsense")
    assert refused.wait() == 1
    assert refused.lines[-1].startswith("WorkerRefused KEY_REFUSED: ")


def test_an_address_that_is_no_api_ends_the_worker(worker, serve):
    refused = worker(PGFLOW_URL=f"http://127.0.0.1:{serve().port}/elsewhere")
    assert refused.wait() == 1
    assert "is this the completion API?" in refused.lines[-1]


def test_tasks_without_a_handler_are_left_to_other_workers(worker, client, pgflow_connection):
    from pgflow import Node, flow, step
    from pgflow.dsl import Target
    from pulled_flows import hold

    @flow(runs_on=Target("pull"))
    def strange() -> Node[str]:
        return step(hold)

    client.deploy(strange)
    run = client.start(strange, None)
    worker()
    deadline = time.monotonic() + SECONDS
    query = "select error ->> 'code' as code from pgflow.step_task_attempts"
    while (row := pgflow_connection.execute(query).fetchone()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert row["code"] == "HANDLER_MISSING"
    run.cancel()
