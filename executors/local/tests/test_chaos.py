"""Worker processes are killed at random under load: no task is lost, none is reported twice."""

import asyncio
import os
import random
import signal

import pytest

from .support import children, until

TASKS = 5000
BETWEEN = 400
"""Tasks that end between two kills, so that the load, not the clock, sets the pace."""


@pytest.mark.slow
async def test_tasks_survive_random_kills(local):
    executor = await local(processes=2)
    await executor.hurry()
    already = executor.count
    chance = random.Random(20261122)
    attempts = []
    kills = 0
    while len(attempts) < TASKS or executor.count - already < TASKS:
        free = executor.executor.capacity - (len(attempts) - (executor.count - already))
        for _ in range(min(free, TASKS - len(attempts))):
            attempts += [await executor.launch("noop")]
        await asyncio.sleep(chance.uniform(0, 0.002))
        if executor.count - already > (kills + 1) * BETWEEN and (pids := sorted(children())):
            os.kill(chance.choice(pids), signal.SIGKILL)
            kills += 1
    await until(lambda: len(children()) == 2)
    reports = [executor.reports[attempt.attempt_token] for attempt in attempts]
    assert all(len(made) == 1 for made in reports)
    outcomes = [made[0].outcome for made in reports]
    failed = [made[0].error["code"] for made in reports if made[0].outcome == "fail"]
    assert kills >= 10
    assert set(failed) <= {"CRASHED"}
    assert len(failed) <= kills
    assert outcomes.count("complete") + outcomes.count("release") + len(failed) == TASKS
    assert outcomes.count("complete") > TASKS / 2
