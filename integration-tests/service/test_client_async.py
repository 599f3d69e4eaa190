"""The asynchronous client: the same verbs, awaited."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pgflow import AsyncClient, InputError, NotPossible, RunCancelled, RunFailed, RunNotFound
from trial import Bill, Order, billing, chain, refusing, single


@pytest.fixture
async def client(pgflow_database):
    async with AsyncClient(pgflow_database) as client:
        yield client


async def test_result_has_the_type_of_the_flow(client, worker):
    assert (await client.deploy(billing)).created
    handle = await client.start(billing, Order("ada", [1, 2, 3]))
    assert await handle.result(30) == Bill("ada", 9)
    assert await handle.status() == "completed"


async def test_many_wait_at_once_on_one_listening_connection(client, worker, pgflow_connection):
    await client.deploy(single)
    handles = await client.start_many(single, range(50))
    results = await asyncio.gather(*(handle.result(30) for handle in handles))
    assert results == [2 * number for number in range(50)]
    connections = pgflow_connection.execute(
        "select count(*) from pg_stat_activity where application_name = 'pgflow client' "
        "and datname = current_database()"
    ).fetchone()
    assert connections["count"] <= 2


async def test_failed_and_cancelled_runs_raise(client, worker):
    await client.deploy(refusing)
    await client.deploy(single)
    with pytest.raises(RunFailed, match="no 7 today"):
        await (await client.start(refusing, 7)).result(30)
    waiting = await client.start(single, 1, start_at=datetime.now(UTC) + timedelta(hours=1))
    assert await waiting.cancel("enough")
    with pytest.raises(RunCancelled, match="enough"):
        await waiting.result(30)


async def test_timeout(client):
    await client.deploy(single)
    with pytest.raises(TimeoutError):
        await (await client.start(single, 1)).result(0.2)


async def test_watch_yields_every_change_until_the_end(client, worker):
    await client.deploy(chain)
    handle = await client.start(chain, 3)
    seen = [run async for run in handle.watch(30)]
    assert (seen[-1].status, seen[-1].output) == ("completed", {"negate": -6})


async def test_looking_after_runs(client, worker):
    await client.deploy(single)
    handle = await client.start(single, 1, tags={"a": 1})
    await handle.result(30)
    assert [run.run_id for run in await client.runs(tags={"a": 1})] == [handle.run_id]
    assert (await client.get_run(handle.run_id)).ended
    assert await client.logs(handle.run_id) == []
    assert await client.cancel(handle.run_id) is False
    assert await client.run(handle.run_id, single).result(5) == 2
    assert await (await client.start_by_slug("single", 4)).result(30) == {"double": 8}
    with pytest.raises(NotPossible):
        await client.retry(handle.run_id)
    with pytest.raises(RunNotFound):
        await client.get_run(uuid.uuid4())
    with pytest.raises(InputError):
        await client.start(single, "one")  # type: ignore[arg-type]


async def test_pauses(client, worker):
    await client.deploy(single)
    await client.pause_executor("local")
    handle = await client.start(single, 1)
    await client.pause_run(handle.run_id)
    await client.resume_executor("local")
    assert (await client.get_run(handle.run_id)).paused_at is not None
    await client.resume_run(handle.run_id)
    assert await handle.result(30) == 2


async def test_run_exists_iff_the_caller_commits(client, worker, pgflow_database):
    await client.deploy(single)
    async with await psycopg.AsyncConnection.connect(pgflow_database) as connection:
        borrowing = AsyncClient(connection=connection)
        kept = await borrowing.start(single, 1)
        with pytest.raises(NotPossible):
            await kept.result(1)
        await connection.commit()
        dropped = (await borrowing.start_many(single, [2]))[0]
        await connection.rollback()
        assert await kept.result(30) == 2
        with pytest.raises(RunNotFound):
            await client.get_run(dropped.run_id)


async def test_lost_connection_starts_one_run(client, pgflow_connection):
    await client.deploy(single)
    pgflow_connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgflow client' "
        "and datname = current_database()"
    )
    await client.start(single, 1)
    assert len(await client.runs()) == 1


async def test_a_watched_list_is_yielded_anew_when_it_has_changed(client):
    await client.deploy(single)
    pages = client.watch_runs(flow="single", status="running")
    assert await anext(pages) == []
    handle = await client.start(single, 1)
    assert [run.run_id for run in await anext(pages)] == [handle.run_id]
    await client.cancel(handle.run_id)
    assert await anext(pages) == []
    await pages.aclose()


async def test_old_runs_are_pruned_and_the_retention_is_kept(client):
    await client.deploy(single)
    ended, running = await client.start(single, 1), await client.start(single, 2)
    await client.cancel(ended.run_id)
    assert await client.prune(timedelta(days=1)) == 0
    assert await client.prune(timedelta(0)) == 1
    assert [run.run_id for run in await client.runs()] == [running.run_id]
    assert await client.retention() is None
    await client.set_retention(timedelta(days=30))
    assert await client.retention() == timedelta(days=30)
    await client.set_retention(None)
    assert await client.retention() is None
