"""Dispatchers killed at any point of a launch: nothing is lost, and no attempt starts twice."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import spawning
from pgflow import AsyncClient
from spawning import instance, noted

pytestmark = pytest.mark.slow

RUNS = 3


@pytest.fixture
async def client(pgflow_database):
    async with AsyncClient(pgflow_database) as client:
        await client.deploy(noted)
        yield client


def starts(folder) -> Counter[str]:
    """How often each attempt ran."""
    ran = folder / "ran"
    return Counter(ran.read_text().splitlines() if ran.exists() else [])


async def results(handles, seconds=120):
    async with asyncio.timeout(seconds):
        return await asyncio.gather(*(handle.result(seconds) for handle in handles))


@pytest.mark.parametrize("kill_at", ["before launch", "before the record", "observe"])
async def test_another_dispatcher_goes_on_where_one_was_killed(
    client, pgflow_database, pgflow_connection, dispatching, tmp_path, hasten, kill_at
):
    handles = await client.start_many(noted, range(RUNS))
    serve = [sys.executable, "-c", "import spawning; spawning.main()"]
    first = subprocess.Popen(  # noqa: ASYNC220
        [*serve, pgflow_database, tmp_path, kill_at], cwd=Path(spawning.__file__).parent
    )
    while first.poll() is None:
        hasten()
        await asyncio.sleep(0.1)
        if kill_at == "observe" and len(starts(tmp_path)) == RUNS:
            first.kill()  # all ended before anything was observed
    assert first.wait(60) == -signal.SIGKILL
    async with dispatching(pgflow_database, [instance(pgflow_database, tmp_path)]):
        waiting = asyncio.create_task(results(handles))
        while not waiting.done():
            hasten()
            await asyncio.sleep(0.2)
        assert sorted(await waiting) == list(range(RUNS))
    ran = starts(tmp_path)
    assert max(ran.values()) == 1
    assert {line.split()[0] for line in ran} == {str(handle.run_id) for handle in handles}
    spent = pgflow_connection.execute("select max(failures) as failures from pgflow.step_tasks").fetchone()
    assert spent["failures"] == 0


async def test_two_dispatchers_and_an_unsteady_database_lose_and_repeat_nothing(
    client, pgflow_database, pgflow_connection, dispatching, tmp_path
):
    handles = await client.start_many(noted, range(6))
    executors = [instance(pgflow_database, tmp_path) for _ in range(2)]
    async with (
        dispatching(pgflow_database, [executors[0]]) as one,
        dispatching(pgflow_database, [executors[1]]) as two,
    ):
        waiting = asyncio.create_task(results(handles))
        while not waiting.done():
            pgflow_connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name like 'pgflow dispatch %' and datname = current_database()"
            )
            await asyncio.sleep(0.7)
        assert sorted(await waiting) == list(range(6))
        assert one.status().reconnects + two.status().reconnects > 0
    assert max(starts(tmp_path).values()) == 1
    spent = pgflow_connection.execute("select max(failures) as failures from pgflow.step_tasks").fetchone()
    assert spent["failures"] == 0
