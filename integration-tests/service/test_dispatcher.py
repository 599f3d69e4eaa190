"""The dispatcher in this process, with the local executor's worker processes."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from pgflow import AsyncClient, ConfigError, DatabaseUnreachable, RunFailed
from pgflow.database import echo
from pgflow.dispatcher import Dispatcher
from pgflow.dispatcher.doorbell import Doorbell
from pgflow.dispatcher.lane import Lane
from pgflow.plugins import configure, load_plugins
from trial import (
    Bill,
    Gate,
    Order,
    advancing,
    billing,
    chain,
    clock,
    held,
    logging_flow,
    refusing,
    single,
    unstorable,
)

from ..dispatching import problems


@pytest.fixture
async def client(pgflow_database):
    async with AsyncClient(pgflow_database) as client:
        yield client


def scalar(connection, query: str, *parameters: object):
    return next(iter(connection.execute(query, parameters).fetchone().values()))


async def test_flow_runs_to_its_typed_result(client, pgflow_database, dispatching):
    await client.deploy(billing)
    async with dispatching(pgflow_database) as dispatcher:
        handles = await client.start_many(billing, [Order(str(n), [n, n + 1]) for n in range(20)])
        results = await asyncio.gather(*(handle.result(60) for handle in handles))
        assert results == [Bill(str(n), 2 * n + 3) for n in range(20)]
        status = dispatcher.status()
        assert status.ready
        assert status.lanes[0].answers == {"completed": 80}
        assert status.problems == ()
    assert dispatcher.status().state == "stopped"


async def test_progress_is_seen_by_who_watches_while_the_handler_runs(
    client, pgflow_database, pgflow_connection, dispatching, tmp_path
):
    await client.deploy(advancing)
    gate = tmp_path / "gate"
    async with dispatching(pgflow_database) as dispatcher:
        handle = await client.start(advancing, str(gate))
        async for run in handle.watch(timeout=60):
            if run.steps[0].progress is not None:
                break
        progress = run.steps[0].progress
        assert (progress.done, progress.total) == (3, 4)
        assert progress.message.startswith("nearly")
        gate.touch()
        assert await handle.result(60) == "done"
        assert dispatcher.status().problems == ()
    ended = await client.get_run(handle.run_id)
    assert ended.steps[0].progress is None
    assert scalar(pgflow_connection, "select count(*) from pgflow.task_progress") == 1


async def test_failure_is_reported_with_its_traceback(client, pgflow_database, dispatching):
    await client.deploy(refusing)
    async with dispatching(pgflow_database):
        with pytest.raises(RunFailed, match="no 3 today") as caught:
            await (await client.start(refusing, 3)).result(60)
    assert "in refuse" in caught.value.__notes__[0]


async def test_output_of_the_handler_is_kept_as_its_log(client, pgflow_database, dispatching):
    await client.deploy(logging_flow)
    async with dispatching(pgflow_database):
        handle = await client.start(logging_flow, 7)
        await handle.result(60)
    (entry,) = await client.logs(handle.run_id)
    assert entry.log_tail.strip() == "seen 7"


async def test_output_that_postgres_cannot_store_fails_its_own_task(client, pgflow_database, dispatching):
    await client.deploy(unstorable)
    handle = await client.start(unstorable, 1)
    async with dispatching(pgflow_database):
        with pytest.raises(RunFailed) as caught:
            await handle.result(60)
        assert caught.value.error["code"] == "OUTPUT_INVALID"


async def test_run_that_another_session_holds_delays_only_itself(
    client, pgflow_database, dispatching, aeventually
):
    await client.deploy(chain)
    async with (
        dispatching(pgflow_database) as dispatcher,
        await psycopg.AsyncConnection.connect(pgflow_database) as holder,
    ):
        stuck = await client.start(chain, 1, start_at=datetime.now(UTC) + timedelta(seconds=1))
        await holder.execute("select pgflow_locks.lock_runs(array[%s]::uuid[])", [stuck.run_id])
        await aeventually(lambda: "RUN_HELD" in problems(dispatcher))
        others = await client.start_many(chain, range(100))
        assert await asyncio.gather(*(handle.result(60) for handle in others)) == [-2 * n for n in range(100)]
        assert await stuck.status() == "running"
        await holder.commit()
        assert await stuck.result(60) == -2


async def test_missing_handler_is_handed_back_and_shown(
    client, pgflow_database, pgflow_connection, dispatching, aeventually
):
    define(pgflow_connection, handler="nowhere_at_all:nothing")
    async with dispatching(pgflow_database) as dispatcher:
        handle = await client.start_by_slug("made_by_hand", {})
        await aeventually(lambda: "HANDLER_MISSING" in problems(dispatcher))
        await aeventually(lambda: dispatcher.status().lanes[0].answers.get("released") == 1)
    run = await client.get_run(handle.run_id)
    assert (run.status, run.steps[0].tasks["queued"]) == ("running", 1)
    assert scalar(pgflow_connection, "select outcome from pgflow.step_task_attempts") == "released"
    assert scalar(pgflow_connection, "select visible_at > clock_timestamp() from pgflow.step_tasks")


async def test_options_that_the_executor_refuses_fail_the_task_with_the_reason(
    client, pgflow_database, pgflow_connection, dispatching
):
    define(pgflow_connection, handler="trial:double", executor_options={"nonsense": 1})
    async with dispatching(pgflow_database):
        handle = await client.start_by_slug("made_by_hand", {})
        with pytest.raises(RunFailed, match="nonsense") as caught:
            await handle.result(60)
    assert caught.value.error["code"] == "OPTIONS_INVALID"
    assert (await client.get_run(handle.run_id)).steps[0].tasks["failed"] == 1


async def test_idle_dispatcher_hears_of_new_work_at_once(
    client, pgflow_database, dispatching, aeventually, monkeypatch
):
    """Without polls: they are an hour apart here."""
    for name in ("pace._FIRST_POLL", "doorbell._LONGEST_POLL"):
        monkeypatch.setattr(f"pgflow.dispatcher.{name}", 3600.0)
    await client.deploy(clock)
    async with dispatching(pgflow_database, lease=600.0) as dispatcher:
        await aeventually(lambda: dispatcher.status().listening)
        await asyncio.sleep(1)  # what it does on listening is over
        assert await (await client.start(clock, 1)).result(50)


async def test_delayed_task_starts_when_it_is_due(client, pgflow_database, dispatching):
    await client.deploy(clock)
    async with dispatching(pgflow_database):
        await (await client.start(clock, 0)).result(60)
        dues = [datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (2, 3, 4)]
        handles = [await client.start(clock, 1, start_at=due) for due in dues]
        late = [await h.result(60) - due.timestamp() for h, due in zip(handles, dues, strict=True)]
        assert min(late) >= 0
        assert min(late) < 3  # one of them at least, however busy the machine is


async def test_lost_listening_connection_is_replaced_and_work_goes_on(
    client, pgflow_database, pgflow_connection, dispatching, aeventually, caplog
):
    caplog.set_level(logging.INFO, "pgflow.dispatcher")
    await client.deploy(single)
    async with dispatching(pgflow_database) as dispatcher:
        await aeventually(lambda: dispatcher.status().listening)
        disconnect(pgflow_connection, "pgflow listen%")
        await aeventually(lambda: not dispatcher.status().listening)
        assert await (await client.start(single, 4)).result(60) == 8
        await aeventually(lambda: dispatcher.status().listening)
    said = [record.message for record in caplog.records]
    assert sum("no longer listening" in line for line in said) == 1
    assert sum("listening for ready tasks" in line for line in said) == 2
    assert not any("database lost" in line for line in said)


async def test_lost_connections_lose_nothing(
    client, pgflow_database, pgflow_connection, dispatching, aeventually, caplog
):
    await client.deploy(chain)
    handles = await client.start_many(chain, range(500))
    async with dispatching(pgflow_database) as dispatcher:
        for count in (100, 300, 500):
            await aeventually(lambda count=count: done(dispatcher) >= count)
            disconnect(pgflow_connection, "pgflow dispatch%")
        results = await asyncio.gather(*(handle.result(60) for handle in handles))
    assert results == [-2 * number for number in range(500)]
    lost = sum("database lost" in record.message for record in caplog.records)
    assert 1 <= lost <= 3
    assert sum("database is back" in record.message for record in caplog.records) == lost


async def test_cancel_reaches_the_running_handler_at_the_next_heartbeat(
    client, pgflow_database, dispatching, aeventually, tmp_path
):
    gate = Gate(str(tmp_path))
    await client.deploy(held)
    async with dispatching(pgflow_database, lease=6.0) as dispatcher:
        handle = await client.start(held, gate)
        await aeventually(gate.path("started").exists)
        pid = int(gate.path("started").read_text())
        await handle.cancel()
        await aeventually(lambda: gate.path("interrupted").exists() or not alive(pid))
        await aeventually(lambda: dispatcher.status().lanes[0].under_way == 0)


@pytest.mark.slow
async def test_healthy_long_task_keeps_its_lease(client, pgflow_database, dispatching, aeventually, tmp_path):
    gate = Gate(str(tmp_path))
    await client.deploy(held)
    async with dispatching(pgflow_database, lease=20.0) as dispatcher:
        handle = await client.start(held, gate)
        await aeventually(gate.path("started").exists)
        exchanges = dispatcher.status().lanes[0].exchanges
        deadline = time.monotonic() + 22
        await aeventually(lambda: time.monotonic() > deadline)
        gate.path("go").touch()
        assert await handle.result(60) == "gate"
        assert dispatcher.status().lanes[0].exchanges - exchanges < 20
    assert (await client.get_run(handle.run_id)).steps[0].attempts == 0


async def test_claims_no_more_than_the_executor_has_room_for(
    client, pgflow_database, dispatching, aeventually, tmp_path
):
    await client.deploy(held)
    gates = [Gate(str(tmp_path), str(number)) for number in range(6)]
    handles = [await client.start(held, gate) for gate in gates]
    async with dispatching(pgflow_database, settings={"processes": 2, "prefetch": 0}) as dispatcher:
        await aeventually(lambda: sum(gate.path("started").exists() for gate in gates) == 2)
        assert [run.status for run in await client.runs()] == ["running"] * 6
        details = [await client.get_run(handle.run_id) for handle in handles]
        assert sum(run.steps[0].tasks["running"] for run in details) == 2
        assert dispatcher.status().lanes[0].under_way == 2
        for gate in gates:
            gate.path("go").touch()
        assert await asyncio.gather(*(handle.result(60) for handle in handles)) == list("012345")


@pytest.mark.slow
async def test_idle_dispatcher_makes_less_than_one_query_a_second(
    pgflow_database, dispatching, aeventually, monkeypatch
):
    # Counted where they are sent: the server's own statistics come up to ten seconds late.
    sent: list[float] = []
    execute = psycopg.AsyncCursor.execute

    async def counted(self, *arguments, **options):
        sent.append(time.monotonic())
        return await execute(self, *arguments, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)
    async with dispatching(pgflow_database) as dispatcher:
        await aeventually(lambda: dispatcher.status().listening)
        settled = dispatcher.status().lanes[0].exchanges + 6
        await aeventually(lambda: dispatcher.status().lanes[0].exchanges >= settled)
        before, began, spent = len(sent), time.monotonic(), time.process_time()
        await asyncio.sleep(6)
        seconds = time.monotonic() - began
        assert (len(sent) - before) / seconds < 1
        assert (time.process_time() - spent) / seconds < 0.2


async def test_works_through_a_transaction_pooler(pooled, client, dispatching, aeventually, caplog):
    await client.deploy(chain)
    async with dispatching(pooled) as dispatcher:
        handles = await client.start_many(chain, range(50))
        assert await asyncio.gather(*(handle.result(60) for handle in handles)) == [-2 * n for n in range(50)]
        await aeventually(lambda: "LISTEN hears nothing" in caplog.text)
        assert not dispatcher.status().listening


async def test_whoever_is_woken_is_the_lane_that_was_meant(pgflow_database, dispatching, monkeypatch):
    rung = []
    async with dispatching(pgflow_database) as dispatcher:
        monkeypatch.setattr(Lane, "ring", lambda lane: rung.append(lane.name))
        for executor in ("nobody's", "local", None):
            dispatcher.wake(executor)
        assert rung == ["local", "local"]


async def test_listens_on_a_connection_of_its_own_beside_a_pooler(
    pooled, client, pgflow_database, dispatching, aeventually, monkeypatch
):
    heard = []
    monkeypatch.setattr(Doorbell, "on_ready", lambda _, executors: heard.extend(executors))
    await client.deploy(chain)
    async with dispatching(pooled, listen_dsn=pgflow_database) as dispatcher:
        await aeventually(lambda: dispatcher.status().listening)
        async with AsyncClient(pooled) as starting:
            await starting.start(chain, 1)
        await aeventually(lambda: "local" in heard)


async def test_polls_and_says_so_where_it_would_listen_to_another_database(
    client, pgflow_database, pgflow_empty_database, dispatching, aeventually, caplog, monkeypatch
):
    monkeypatch.setattr(echo, "_SECONDS", 1.0)
    await client.deploy(chain)
    async with dispatching(pgflow_database, listen_dsn=pgflow_empty_database) as dispatcher:
        await aeventually(lambda: "LISTEN hears nothing" in caplog.text)
        assert not dispatcher.status().listening
        assert await (await client.start(chain, 4)).result(60) == -8


async def test_start_says_what_is_wrong(pgflow_database, tmp_path):
    executors = [configure(load_plugins(), "local", "local", {})]
    with pytest.raises(DatabaseUnreachable):
        await Dispatcher("host=127.0.0.1 port=1", executors).run()
    with pytest.raises(ConfigError, match="no executor"):
        await Dispatcher(pgflow_database, []).run()
    with pytest.raises(ConfigError, match="lease"):
        Dispatcher(pgflow_database, executors, lease=0)


def define(connection, *, handler: str, executor_options: dict[str, object] | None = None) -> None:
    step = {"step_slug": "only", "step_type": "single", "deps": [], "executor": "local", "handler": handler}
    if executor_options is not None:
        step["executor_options"] = executor_options
    definition = {"flow_slug": "made_by_hand", "options": {}, "steps": [step]}
    connection.execute("select pgflow.define_flow(%s::jsonb)", [json.dumps(definition)])


def disconnect(connection, name: str) -> None:
    connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like %s "
        "and datname = current_database()",
        [name],
    )


def done(dispatcher: Dispatcher) -> int:
    return sum(sum(lane.answers.values()) for lane in dispatcher.status().lanes)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
