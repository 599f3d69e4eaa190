"""`retry_run` from a step: that step and everything downstream, of any ended run."""

from __future__ import annotations

import pytest

from .support.definitions import map_step, step
from .support.engine import Engine, fail_step, refused


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_from_step_reruns_it_and_everything_downstream(engine: Engine, end: str) -> None:
    """Rule 62: of any ended run; the rest keeps its output."""
    engine.define(
        "f",
        step("a"),
        step("b", "a"),
        map_step("m", "b"),
        step("c", "m", "side"),
        step("side", "a"),
        step("other", "a"),
    )
    run_id = engine.run("f")
    outputs = {"a": "A", "b": [1, 2], "m": "M", "side": "S", "other": "O", "c": "C"}
    while tasks := engine.claim(10):
        for task in tasks:
            if task.step_slug == "c" and end != "completed":
                engine.fail(task, retryable=False) if end == "failed" else engine.cancel(run_id)
            else:
                engine.complete(task, outputs[task.step_slug])
    assert engine.status(run_id) == end
    engine.retry(run_id, "b")
    assert engine.steps(run_id) == {
        "a": "completed", "b": "running", "m": "pending", "c": "pending", "side": "completed",
        "other": "completed",
    }  # fmt: skip
    assert engine.step(run_id, "b").output is None
    again = engine.take("b")
    assert (again.attempt, again.input) == (2, {"a": "A"})
    engine.complete(again, ["x", "y", "z"])
    items = engine.claim(10)
    assert [(t.step_slug, t.input["item"]) for t in items] == [("m", "x"), ("m", "y"), ("m", "z")]
    for task in items:
        engine.complete(task, task.input["item"])
    last = engine.take("c")
    assert last.input == {"m": ["x", "y", "z"], "side": "S"}
    engine.complete(last, "new")
    assert engine.stored_run(run_id).output == {"c": "new", "other": "O"}


def test_a_rerun_map_may_shrink_and_grow(engine: Engine) -> None:
    """Rule 62: its items are those of the new output."""
    engine.define("f", step("a"), map_step("m", "a"), step("end", "m"))
    run_id = engine.run("f")
    for count in (3, 1, 0, 5, 2):
        engine.complete(engine.take("a"), list(range(count)))
        items = [t for t in engine.claim(10) if t.step_slug == "m"] if count else []
        assert [t.task_index for t in items] == list(range(count))
        for task in items:
            engine.complete(task, task.task_index)
        end = engine.take("end")
        assert end.input == {"m": list(range(count))}
        engine.complete(end)
        assert engine.status(run_id) == "completed"
        assert engine.step(run_id, "m").task_count == count
        engine.retry(run_id, "a")


def test_an_unknown_step_cannot_be_retried(engine: Engine) -> None:
    """Rule 62: PF003 naming it."""
    engine.define("f", step("a"))
    run_id = engine.run("f")
    engine.work_off()
    with refused("PF003", "nowhere"):
        engine.retry(run_id, "nowhere")


def test_from_step_of_a_failed_run_leaves_other_failures_to_run_again(engine: Engine) -> None:
    """Rule 62: a run that goes on has no failed or cancelled step left."""
    engine.define("f", step("a"), step("bad"), step("cancelled"))
    run_id = engine.run("f")
    tasks = engine.take_all()
    engine.complete(tasks["a"])
    fail_step(engine, tasks, "bad")
    engine.retry(run_id, "a")
    assert engine.violations(run_id) == []
    if engine.status(run_id) == "running":
        engine.work_off()
    assert engine.status(run_id) in ("completed", "failed")
    assert engine.violations(run_id) == []


def test_a_step_that_a_cascade_skipped_is_no_place_to_start_from(engine: Engine) -> None:
    """Rule 62: PF005: it would run without the dependency that it must not run without."""
    engine.define("f", step("bad", when_exhausted="skip_cascade"), step("after", "bad"))
    run_id = engine.run("f")
    fail_step(engine, engine.take_all(), "bad")
    with refused("PF005", "after"):
        engine.retry(run_id, "after")
    assert engine.status(run_id) == "completed"
    engine.retry(run_id, "bad")
    assert engine.work_off() == 2
