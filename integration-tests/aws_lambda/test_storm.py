"""Flows over Lambda: dispatcher, endpoint, functions, completion API, database; and faults in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
import storm_flows
from pgflow import AsyncClient
from pgflow.envelope import ReportTarget
from pgflow.plugins import Plugins, configure
from pgflow_lambda.executor import LambdaExecutor
from pgflow_testing.aws_lambda import Odds

RUNS, ITEMS = 20, 100
IN_FLIGHT = 100
PROCESSES = 6
SECONDS = 600.0


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")


def on_lambda(url: str, report_to: str):
    given = {"endpoint_url": url, "region": "eu-west-1"}
    instance = configure(Plugins(executors={"lambda": LambdaExecutor}), "lambda", "lambda", given)
    return replace(instance, max_in_flight=IN_FLIGHT, report_to=ReportTarget("http", report_to))


@pytest.mark.slow
async def test_every_task_has_one_accepted_result_amid_duplicates_lost_answers_and_crashes(
    pgflow_database,
    pgflow_connection,
    lambdas,
    api,
    dispatching,
    tmp_path,
):
    odds = Odds(1, drop=0.05, duplicate=0.05)
    function = lambdas(handler="storm_flows.handler", concurrency=PROCESSES, faults=odds)
    trace = str(tmp_path / "trace")
    numbers = [list(range(run * ITEMS, (run + 1) * ITEMS)) for run in range(RUNS)]
    instance = on_lambda(function.endpoint.url, f"http://127.0.0.1:{api.port}")
    async with AsyncClient(pgflow_database) as client, dispatching(pgflow_database, [instance]):
        await client.deploy(storm_flows.storm)
        started = await client.start_many(
            storm_flows.storm, [storm_flows.Job(each, trace) for each in numbers]
        )
        results = [await handle.result(SECONDS) for handle in started]
    assert results == [sum(number * number for number in each) for each in numbers]
    accepted = pgflow_connection.execute(
        "select count(*) as accepted, count(distinct (run_id, task_index)) as tasks "
        "from pgflow.task_attempts where step_slug = 'square' and outcome = 'completed'"
    ).fetchone()
    assert (accepted["accepted"], accepted["tasks"]) == (RUNS * ITEMS, RUNS * ITEMS)
    ran = storm_flows.executions(tmp_path / "trace")
    assert len(set(ran)) == len(ran), "an attempt ran twice"
    crashed = [number for _, number, attempt in ran if attempt == 1 and number % 50 == 7]
    assert len(crashed) == len([number for each in numbers for number in each if number % 50 == 7])
    # The faults were there: more copies than requests, and fewer answers.
    assert len(function.endpoint.deliveries("work")) > len(function.endpoint.requests) > RUNS * ITEMS
