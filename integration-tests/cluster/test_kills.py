"""Dispatchers that are killed between any two of their steps."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cluster_flows import held, increment
from pgflow import AsyncClient

from ..dispatching import SECONDS, until
from .clusters import ONE
from .conftest import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.clusters(*ONE)]

DISPATCH = Path(__file__).with_name("dispatch.py")
TASKS = int(os.environ.get("PGFLOW_TEST_TASKS", "200"))
SEED = 8


@pytest.fixture
def dispatcher(pgflow_database, namespace, api):
    """Start a dispatcher that may be killed: `dispatcher(max_jobs=4)`."""
    running = []

    def start(**settings):
        given = json.dumps(namespace.settings(**settings))
        process = subprocess.Popen([sys.executable, str(DISPATCH), pgflow_database, given, api], cwd=PROJECT)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait(SECONDS)


async def test_a_job_is_adopted_by_the_next_dispatcher(
    pgflow_database, pgflow_connection, namespace, dispatcher, tmp_path
):
    path = tmp_path / "go"
    async with AsyncClient(pgflow_database) as client:
        await client.deploy(held)
        run = await client.start(held, str(path))
        first = dispatcher()
        await until(path.with_suffix(".started").exists)
        first.kill()
        first.wait(SECONDS)
        dispatcher()
        path.touch()
        assert await run.result(SECONDS) == "released"
    assert [job.metadata.name[-2:] for job in namespace.jobs()] == ["-1"]
    assert pgflow_connection.execute("select * from pgflow.step_task_attempts").fetchall() == []


async def test_kills_at_random_moments_make_one_job_an_attempt_and_one_result_a_task(
    pgflow_database, pgflow_connection, namespace, dispatcher
):
    choose = random.Random(SEED)
    async with AsyncClient(pgflow_database) as client:
        await client.deploy(increment)
        runs = await client.start_many(increment, range(TASKS))

        def ended():
            query = "select count(*) as many from pgflow.runs where status = 'completed'"
            return pgflow_connection.execute(query).fetchone()["many"]

        async def until_ended(goal, process):
            """Look now and then: a look at every moment would cost more than the tasks."""
            async with asyncio.timeout(SECONDS * 2):
                while ended() < goal and process.poll() is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.25)

        kills = 0
        while ended() < TASKS * 0.8:
            goal = ended() + choose.randint(1, TASKS // 8)
            process = dispatcher(max_jobs=24, commands=["python -SE *"])
            await until_ended(goal, process)
            await asyncio.sleep(choose.uniform(0, 0.5))
            process.kill()
            process.wait(SECONDS)
            kills += 1
        await until_ended(TASKS, dispatcher(max_jobs=24, commands=["python -SE *"]))
        assert sorted([await run.result(SECONDS) for run in runs]) == list(range(1, TASKS + 1))
    assert kills >= 3
    pods = Counter(pod.metadata.labels["pgflow.dev/attempt"] for pod in namespace.pods())
    assert set(pods.values()) == {1}
    jobs = {job.metadata.name for job in namespace.jobs()}
    completed = pgflow_connection.execute(
        "select external_id, outcome from pgflow.task_attempts where outcome = 'completed'"
    ).fetchall()
    assert len(completed) == TASKS
    assert {row["external_id"] for row in completed} <= jobs
