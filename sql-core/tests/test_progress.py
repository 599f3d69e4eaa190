"""Heartbeats carry how far an attempt has come; readers see it while that attempt is the current one."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from .support.definitions import map_step, step
from .support.engine import Engine, reference

THREE = {"done": 3, "total": 4, "message": "nearly"}


def beat(engine: Engine, task: Any, progress: Any) -> str:
    told = Jsonb([reference(task) | {"progress": progress}])
    return engine.value("select status from pgflow.heartbeat_step_tasks(%s)", told)


def shown(engine: Engine, run_id: Any) -> Any:
    return engine.get_run(run_id)["steps"][0]["progress"]


def test_the_latest_progress_is_shown_while_the_attempt_goes_on(engine: Engine) -> None:
    engine.define("f", step("a"))
    run_id = engine.run("f")
    task = engine.take()
    assert shown(engine, run_id) is None
    assert beat(engine, task, {"done": 1}) == "ok"
    assert beat(engine, task, THREE) == "ok"
    assert shown(engine, run_id) == THREE
    assert engine.complete(task) == "completed"
    assert shown(engine, run_id) is None


def test_the_next_attempt_begins_without(engine: Engine) -> None:
    engine.define("f", step("a", base_delay=0))
    run_id = engine.run("f")
    first = engine.take()
    beat(engine, first, THREE)
    engine.fail(first)
    second = engine.take()
    assert shown(engine, run_id) is None
    assert beat(engine, first, THREE) == "stale"
    assert shown(engine, run_id) is None
    beat(engine, second, {"done": 0.5})
    assert shown(engine, run_id) == {"done": 0.5}


@pytest.mark.parametrize("progress", [5, "x", [], None, {"message": "x" * 5000}])
def test_what_is_no_progress_costs_nobody_the_heartbeat(engine: Engine, progress: Any) -> None:
    engine.define("f", step("a"))
    run_id = engine.run("f")
    task = engine.take()
    assert beat(engine, task, progress) == "ok"
    assert shown(engine, run_id) is None


def test_items_of_a_map_have_their_own(engine: Engine) -> None:
    engine.define("f", map_step("a", "run"))
    run_id = engine.run("f", [1, 2])
    for task in engine.claim(2):
        beat(engine, task, {"done": task.task_index})
    kept = engine.rows("select task_index, progress from pgflow.task_progress order by task_index")
    assert [row.progress for row in kept] == [{"done": 0}, {"done": 1}]
    assert shown(engine, run_id) is None


def test_it_is_deleted_with_its_run(engine: Engine) -> None:
    engine.define("f", step("a"))
    engine.run("f")
    task = engine.take()
    beat(engine, task, THREE)
    engine.complete(task)
    engine.rows("select pgflow.prune_runs(interval '0 s', 10)")
    assert engine.rows("select from pgflow.task_progress") == []
