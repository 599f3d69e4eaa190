"""A small game of chaos, and the parts that a large one (`hatch run chaos`) stands on."""

from __future__ import annotations

import pytest
from chaoskit.game import Rules, play
from chaoskit.plan import WEIGHTS, plan


def test_the_plan_is_a_pure_function_of_the_seed():
    assert plan(7, 600) == plan(7, 600)
    assert plan(7, 600) != plan(8, 600)
    assert {fault.kind for fault in plan(7, 600)} == set(WEIGHTS)
    assert plan(7, 60) == [fault for fault in plan(7, 600) if fault.at < 60]


@pytest.mark.slow
def test_every_task_has_one_result_whatever_breaks(tmp_path):
    rules = Rules(seed=8, tasks=300, seconds=6, items=28, dispatchers=2, lease=2.0, pace=0.5)
    verdict = play(rules, tmp_path)
    assert verdict.wrong == []
