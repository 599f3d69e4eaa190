"""Flows over real edge functions: dispatcher, gateway, Deno, completion API, database."""

from __future__ import annotations

import asyncio

import pytest
from edge_flows import holding, lengths, refusing, tally, telling, waited
from pgflow import AsyncClient, RunFailed
from pgflow.api.app import completion_api
from pgflow.api.settings import ApiSettings
from pgflow.envelope import ReportTarget
from pgflow_testing.postgrest import token_for

from ..api.conftest import Server
from ..dispatching import until
from .conftest import HERE, KEY, SECRET

pytestmark = pytest.mark.slow

WORDS = [f"word{number}" for number in range(50)]


@pytest.fixture
def serve(serving, tmp_path):
    variables = tmp_path / "env"
    variables.write_text(f"# of the functions\nPGFLOW_SIGNING_SECRET='{SECRET}'\n")
    return lambda *options: serving(HERE / "functions", "--key", KEY, "--env-file", str(variables), *options)


@pytest.fixture
def gateway(serve):
    return serve()


async def test_a_flow_ends_well_whatever_befalls_its_functions(
    pgflow_database, pgflow_connection, serve, api, dispatching
):
    gateway = serve("--wall-clock", "6", "--last-words", "2")
    async with AsyncClient(pgflow_database) as client, dispatching(gateway.url, api):
        await client.deploy(tally)
        handle = await client.start(tally, " ".join(WORDS))
        assert await handle.result(300) == sum(map(len, WORDS)) + 4 * len(WORDS)
    ended = pgflow_connection.execute(
        "select step_slug, attempt, outcome, error ->> 'code' as code from pgflow.step_task_attempts"
    ).fetchall()
    first = {(row["step_slug"], row["outcome"]) for row in ended if row["attempt"] == 1}
    assert {("measure", "failed"), ("silence", "launch_failed"), ("exceed", "launch_failed")} <= first
    assert {step for step, outcome in first if outcome in {"lost", "timed_out"}} >= {"crash", "spin"}
    # One whose worker was killed first does not fail again.
    refused = [row["attempt"] for row in ended if row["code"] == "HANDLER_ERROR"]
    assert 0 < len(refused) <= 10
    assert set(refused) == {1}


async def test_what_a_handler_throws_is_the_error_of_the_run(pgflow_database, gateway, api, dispatching):
    async with AsyncClient(pgflow_database) as client, dispatching(gateway.url, api):
        await client.deploy(refusing)
        with pytest.raises(RunFailed, match="never") as failed:
            await (await client.start(refusing, 1)).result(60)
    assert (failed.value.error["code"], failed.value.error["type"]) == ("NON_RETRYABLE", "NonRetryable")


async def test_functions_report_through_postgrest(
    pgflow_database, pgflow_connection, gateway, postgrest, dispatching
):
    report_to = ReportTarget("postgrest", postgrest.url, token_for("pgflow_worker"))
    async with AsyncClient(pgflow_database) as client, dispatching(gateway.url, report_to):
        await client.deploy(lengths)
        handle = await client.start(lengths, "one three")
        assert await handle.result(60) == [3, 5]
    ended = pgflow_connection.execute("select step_slug, outcome from pgflow.step_task_attempts").fetchall()
    assert [tuple(row.values()) for row in ended] == [("measure", "failed")] * 2


class Noting:
    """An ASGI application that notes what it was asked."""

    def __init__(self, app):
        self.app = app
        self.paths = []

    async def __call__(self, scope, receive, send):
        self.paths.append(scope.get("path"))
        await self.app(scope, receive, send)


async def test_results_that_were_waited_for_are_reported_by_the_dispatcher(
    pgflow_database, pgflow_connection, gateway, dispatching
):
    api = Noting(completion_api(pgflow_database, ApiSettings()))
    numbers = list(range(20))
    with Server(api) as server:
        async with (
            AsyncClient(pgflow_database) as client,
            dispatching(gateway.url, f"http://127.0.0.1:{server.port}") as dispatcher,
        ):
            await client.deploy(waited)
            assert await (await client.start(waited, numbers)).result(120) == 2 * sum(numbers) + 40
            await until(lambda: not dispatcher.status().lanes[0].under_way)
            assert dispatcher.status().lanes[0].unsent == 0
    ended = pgflow_connection.execute(
        "select step_slug, attempt, outcome from pgflow.step_task_attempts order by 1, 2"
    ).fetchall()
    assert [tuple(row.values()) for row in ended] == [("double", 1, "failed")] * 5 + [
        ("vanish", 1, "timed_out")
    ]
    # Only the step that outlasted the wait reported for itself.
    assert api.paths.count("/v1/tasks/complete") == 1
    assert api.paths.count("/v1/tasks/fail") == 0
    assert api.paths.count("/v1/tasks/start") == 20 + 5 + 2 + 1 + 1


@pytest.fixture
def holder(serving, tmp_path):
    """Serve the function `holds`, which says by a file that it has begun: `holder("--wall-clock", "10")`."""
    variables = tmp_path / "env"
    variables.write_text(f"PGFLOW_SIGNING_SECRET={SECRET}\nTMPDIR={tmp_path}\n")
    usual = ("--key", KEY, "--env-file", str(variables), "--last-words", "20")
    return lambda *options: serving(HERE / "functions", *usual, *options)


async def test_a_worker_that_is_told_to_end_hands_its_attempt_back(
    pgflow_database, pgflow_connection, holder, tmp_path, api, dispatching
):
    gateway = holder()
    async with AsyncClient(pgflow_database) as client, dispatching(gateway.url, api):
        await client.deploy(holding)
        await client.start(holding, str(tmp_path))
        await until((tmp_path / "started").exists)
        await asyncio.to_thread(gateway.stop)
    row = pgflow_connection.execute(
        "select attempt, outcome, error ->> 'code' as code from pgflow.step_task_attempts"
    ).fetchone()
    assert tuple(row.values()) == (1, "released", "SHUTDOWN")
    assert pgflow_connection.execute("select failures from pgflow.step_tasks").fetchone()["failures"] == 0


@pytest.mark.parametrize("way", ["api", "postgrest"])
async def test_heartbeats_tell_how_far_an_attempt_has_come(
    pgflow_database, pgflow_connection, holder, tmp_path, request, way, dispatching
):
    told = request.getfixturevalue(way)
    report_to = told if way == "api" else ReportTarget("postgrest", told.url, token_for("pgflow_worker"))

    def progress():
        return pgflow_connection.execute("select progress from pgflow.task_progress").fetchone()

    async with AsyncClient(pgflow_database) as client, dispatching(holder().url, report_to):
        await client.deploy(telling)
        handle = await client.start(telling, str(tmp_path))
        await until(progress)
        assert progress()["progress"] == {"done": 1, "total": 2, "message": "half"}
        (tmp_path / "go").touch()
        assert await handle.result(120) == str(tmp_path)


async def test_a_worker_whose_time_is_up_fails_its_attempt(
    pgflow_database, pgflow_connection, holder, tmp_path, api, dispatching
):
    gateway = holder("--wall-clock", "10")
    async with AsyncClient(pgflow_database) as client, dispatching(gateway.url, api):
        await client.deploy(holding)
        handle = await client.start(holding, str(tmp_path))
        assert await handle.result(120) == str(tmp_path)
    ended = pgflow_connection.execute(
        "select outcome, error ->> 'code' as code from pgflow.step_task_attempts"
    ).fetchall()
    assert ("failed", "WORKER_SHUTDOWN") in {tuple(row.values()) for row in ended}


async def test_a_wrong_secret_pauses_the_executor_and_costs_nothing(
    pgflow_database, pgflow_connection, gateway, api, dispatching
):
    async with AsyncClient(pgflow_database) as client:
        await client.deploy(refusing)
        await client.start(refusing, 1)
        async with dispatching(gateway.url, api, signing_secret="another secret of others") as dispatcher:
            await until(lambda: dispatcher.status().problems)
    (problem,) = dispatcher.status().problems
    assert "SIGNATURE_WRONG" in problem.message
    row = pgflow_connection.execute("select * from pgflow.step_tasks").fetchone()
    assert (row["status"], row["failures"], row["launch_failures"]) == ("queued", 0, 0)
