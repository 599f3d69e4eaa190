"""Every verb at random from eight sessions, on random flows, some killed in the middle of a transaction.

PGFLOW_CHAOS_SEED sets the seed, PGFLOW_CHAOS_SECONDS the length of the slow test.  What the sessions do to
each other depends on their timing all the same.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from time import monotonic

import pytest

from .support.engine import Engine
from .support.monkey import EXECUTORS, Monkey
from .support.random_flows import random_output
from .support.sessions import together, until

SESSIONS = 8
SEED = int(os.environ.get("PGFLOW_CHAOS_SEED", "1"))
LONG = int(os.environ.get("PGFLOW_CHAOS_SECONDS", "60"))


@pytest.mark.parametrize("seconds", [5, pytest.param(LONG, marks=pytest.mark.slow)])
def test_whatever_happens_everything_ends_and_every_invariant_holds(
    engine: Engine, open_engine: Callable[[], Engine], seconds: int
) -> None:
    """Rules 71, 81, 86: at every moment; no deadlock, no lost task, no run that stays running for ever."""
    monkeys = [Monkey(open_engine, SEED * SESSIONS + number) for number in range(SESSIONS)]
    end = monotonic() + seconds
    together(
        partial(watch, open_engine(), lambda: monotonic() < end),
        *(partial(monkey.play, lambda: monotonic() < end) for monkey in monkeys),
        deadline=seconds + 300,
    )
    contended = sum((monkey.contended for monkey in monkeys), Counter())
    refused = sum((monkey.refused for monkey in monkeys), Counter())
    calls = sum(monkey.calls for monkey in monkeys)
    print(f"seed {SEED}: {calls} calls, contended {dict(contended)}, refused {dict(refused)}")
    assert contended["40P01"] == 0, contended
    assert engine.violations() == []
    for executor in EXECUTORS:
        engine.rows("select pgflow.resume_executor(%s)", executor)
    for (run_id,) in engine.rows("select run_id from pgflow.runs where status = 'running'"):
        engine.rows("select pgflow.resume_run(%s)", run_id)
    until(partial(finish, engine, Random(SEED)), 300)


def watch(engine: Engine, goes_on: Callable[[], bool]) -> None:
    """Look at the invariants again and again: each look sees one snapshot."""
    while goes_on():
        assert engine.violations() == []


def finish(engine: Engine, random: Random) -> bool:
    """Complete what can be claimed; say whether every run has ended."""
    engine.maintain()
    for executor in EXECUTORS:
        for task in engine.claim(500, executor=executor):
            engine.complete(task, random_output(random, task.step_slug))
    return not engine.rows("select 1 from pgflow.runs where status = 'running'")
