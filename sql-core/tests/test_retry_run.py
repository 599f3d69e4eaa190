"""`retry_run` of a whole run: what failed, what was cancelled, and what was skipped because of it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from .support.definitions import chain, map_step, step
from .support.engine import Engine, fail_step, refused


def test_a_failed_run_goes_on_where_it_failed(engine: Engine) -> None:
    """Rule 61: completed outputs stay; cancelled siblings run again; budgets at zero, attempts go on."""
    engine.define(
        "f",
        step("done"),
        step("bad", max_attempts=2, base_delay=0),
        step("sibling"),
        step("end", "done", "bad", "sibling"),
    )
    engine.at(0)
    run_id = engine.run("f")
    tasks = engine.take_all()
    engine.complete(tasks["done"], "kept")
    assert engine.fail(tasks["bad"]) == "retrying"
    engine.wait(1)
    assert engine.fail(engine.take("bad")) == "failed"
    engine.retry(run_id)
    run = engine.stored_run(run_id)
    assert (run.status, run.error, run.finished_at) == ("running", None, None)
    assert engine.steps(run_id) == {
        "done": "completed",
        "bad": "running",
        "sibling": "running",
        "end": "pending",
    }
    assert engine.step(run_id, "bad").error is None
    again = engine.take_all()
    assert set(again) == {"bad", "sibling"}
    assert (again["bad"].attempt, again["bad"].failures) == (3, 0)
    assert (again["sibling"].attempt, again["sibling"].failures) == (2, 0)
    assert engine.complete(tasks["sibling"]) == "stale"
    assert engine.fail(again["bad"]) == "retrying"
    engine.wait(1)
    engine.complete(engine.take("bad"), "B")
    engine.complete(again["sibling"], "S")
    assert engine.take("end").input == {"done": "kept", "bad": "B", "sibling": "S"}
    assert engine.outcomes(run_id, "bad") == [(1, "failed"), (2, "failed"), (3, "failed")]


def test_a_cancelled_run_goes_on(engine: Engine) -> None:
    """Rule 61: pending steps were cancelled too and become pending again."""
    engine.define("f", *chain("a", "b", "c"), step("z", start_delay=30))
    engine.at(0)
    run_id = engine.run("f")
    engine.complete(engine.take("a"), 1)
    engine.take("b")
    engine.cancel(run_id)
    engine.retry(run_id)
    assert engine.steps(run_id) == {"a": "completed", "b": "running", "c": "pending", "z": "running"}
    engine.wait(60)
    engine.work_off()
    assert engine.status(run_id) == "completed"


def test_completed_map_items_stay(engine: Engine) -> None:
    """Rule 61: only failed and cancelled items run again."""
    engine.define("f", map_step("m", "run", max_failures=0), map_step("n", "m"), step("end", "n"))
    run_id = engine.run("f", [0, 1, 2, 3])
    tasks = engine.take_all()
    engine.complete(tasks["m[0]"], "a")
    engine.complete(tasks["m[2]"], "c")
    fail_step(engine, tasks, "m[1]")
    engine.retry(run_id)
    again = engine.take_all()
    assert {name: (t.attempt, t.input["item"]) for name, t in again.items()} == {
        "m[1]": (2, 1),
        "m[3]": (2, 3),
    }
    engine.complete(again["m[3]"], "d")
    assert engine.step(run_id, "m").status == "running"
    engine.complete(again["m[1]"], "b")
    assert engine.step(run_id, "m").output == ["a", "b", "c", "d"]
    engine.work_off()
    assert engine.status(run_id) == "completed"


def test_tolerated_failures_of_a_completed_map_stay_as_they_are(engine: Engine) -> None:
    """Rule 61: the map completed; its output is kept."""
    engine.define("f", map_step("m", "run", max_failures=1), step("bad", "m"))
    run_id = engine.run("f", [0, 1])
    tasks = engine.take_all()
    fail_step(engine, tasks, "m[0]")
    engine.complete(tasks["m[1]"], "b")
    fail_step(engine, engine.take_all(), "bad")
    engine.retry(run_id)
    assert engine.take("bad").input == {"m": [None, "b"]}


def test_steps_failed_by_a_type_violation_are_reopened_and_checked_again(engine: Engine) -> None:
    """Rule 61: the producer stays completed, so the map fails again at once."""
    engine.define("f", step("a"), map_step("m", "a"))
    run_id = engine.run("f")
    engine.complete(engine.take("a"), 5)
    engine.retry(run_id)
    assert engine.status(run_id) == "failed"
    assert engine.stored_run(run_id).error["code"] == "TYPE_VIOLATION"
    engine.retry(run_id, "a")
    engine.complete(engine.take("a"), [5])
    assert engine.take("m").input == {"item": 5}


def test_a_step_failed_by_its_condition_is_checked_again(engine: Engine) -> None:
    """Rule 54: it fails again, or passes when its dependency gives something else."""
    engine.define("f", step("a"), step("b", "a", required_input={"a": 1}, when_unmet="fail"))
    run_id = engine.run("f")
    engine.complete(engine.take("a"), 2)
    engine.retry(run_id)
    assert engine.steps(run_id) == {"a": "completed", "b": "failed"}
    engine.retry(run_id, "a")
    engine.complete(engine.take("a"), 1)
    engine.work_off()
    assert engine.status(run_id) == "completed"


def test_steps_skipped_by_their_own_condition_stay_skipped(engine: Engine) -> None:
    """Rule 61: nothing failed there."""
    engine.define(
        "f", step("skipped", required_input={"run": {"x": 1}}), step("bad"), step("end", "skipped", "bad")
    )
    run_id = engine.run("f", {})
    fail_step(engine, engine.take_all(), "bad")
    engine.retry(run_id)
    assert engine.steps(run_id) == {"skipped": "skipped", "bad": "running", "end": "pending"}
    engine.work_off()
    assert engine.status(run_id) == "completed"


def test_a_running_run_cannot_be_retried(engine: Engine) -> None:
    """Rule 61: PF005, naming the state."""
    engine.define("f", step("a"))
    run_id = engine.run("f")
    for call in (lambda: engine.retry(run_id), lambda: engine.retry(run_id, "a")):
        with refused("PF005", "running"):
            call()


def test_a_completed_run_has_nothing_to_retry(engine: Engine) -> None:
    """Rule 61: plain retry is for failed and cancelled runs."""
    engine.define("f", step("a"))
    run_id = engine.run("f")
    engine.work_off()
    with refused("PF005", "completed"):
        engine.retry(run_id)
    assert engine.status(run_id) == "completed"


@pytest.mark.parametrize("kind", ["single", "map"])
def test_a_reopened_task_begins_with_whole_budgets_and_no_delay(engine: Engine, kind: str) -> None:
    """Rule 61: of failures, of launches and of tolerated items; what it waited for is forgotten."""
    options = {"max_attempts": 2, "base_delay": 5000, "max_delay": 5000, "launch_timeout": 10, "timeout": 1e6}
    made = step("a", **options) if kind == "single" else map_step("a", "run", max_failures=1, **options)
    engine.define("f", made)
    engine.at(0)
    run_id = engine.run("f", [0, 1])
    index = 0 if kind == "single" else 1
    tasks = engine.take_all()
    if kind == "map":
        assert engine.fail(tasks["a[0]"], retryable=False) == "failed"
    assert engine.fail(tasks["a" if kind == "single" else "a[1]"]) == "retrying"
    for _ in range(4):
        engine.wait(6000)
        engine.maintain()
        engine.take("a", mode="launch")
        engine.wait(11)
        engine.maintain()
    before = engine.task(run_id, "a", index)
    assert (before.failures, before.launch_failures) == (1, 4)
    now = engine.wait(1)
    engine.cancel(run_id)
    engine.retry(run_id)
    stored = engine.task(run_id, "a", index)
    assert (stored.status, stored.failures, stored.launch_failures) == ("queued", 0, 0)
    assert stored.visible_at == now
    again = {(task.step_slug, task.task_index): task for task in engine.claim(10)}
    assert again["a", index].failures == 0
    assert engine.fail(again["a", index]) == "retrying"
    if kind == "map":
        assert engine.fail(again["a", 0], retryable=False) == "failed"
    assert engine.status(run_id) == "running"


def test_retry_may_be_repeated(engine: Engine) -> None:
    """Rule 61: as often as it fails, with a fresh budget each time."""
    engine.define("f", step("a", max_attempts=2, base_delay=4, jitter=0))
    engine.at(0)
    run_id = engine.run("f")
    for life in range(4):
        now = engine.wait(100)
        first = engine.take()
        assert (first.attempt, first.failures) == (2 * life + 1, 0)
        assert engine.fail(first) == "retrying"
        assert engine.task(run_id, "a").visible_at == now + timedelta(seconds=4)
        engine.wait(100)
        assert engine.fail(engine.take()) == "failed"
        engine.retry(run_id)
    assert isinstance(run_id, UUID)
    assert len(engine.outcomes(run_id, "a")) == 8


@pytest.mark.parametrize("from_step", [None, "bad"])
def test_what_a_cascade_skipped_stays_skipped(engine: Engine, from_step: str | None) -> None:
    """Rule 61: only what was skipped because of the failure; the cascade of another skip holds."""
    unmet = {"required_input": {"run": {"x": 1}}, "when_unmet": "skip_cascade"}
    engine.define("f", step("off", **unmet), step("bad"), step("both", "off", "bad"), step("last", "both"))
    run_id = engine.run("f", {})
    fail_step(engine, engine.take_all(), "bad")
    before = engine.skips(run_id)
    assert before == {"off": "condition_unmet", "both": "dependency_skipped", "last": "dependency_skipped"}
    engine.retry(run_id, from_step)
    assert engine.skips(run_id) == before
    assert engine.work_off() == 1
    assert engine.status(run_id) == "completed"


def test_a_skipped_failure_that_others_went_on_without_stays(engine: Engine) -> None:
    """Rule 61: completed steps are kept, so what they did not wait for is not run behind them."""
    engine.define(
        "f",
        step("bad", when_exhausted="skip"),
        step("never", "bad", required_input={"run": {"x": 1}}),
        step("done", "never"),
        step("other"),
    )
    run_id = engine.run("f", {})
    fail_step(engine, engine.take_all(), "bad")
    engine.complete(engine.take("done"))
    engine.cancel(run_id)
    engine.retry(run_id)
    assert engine.skips(run_id) == {"bad": "handler_failed", "never": "condition_unmet"}
    assert engine.steps(run_id)["other"] == "running"
    assert engine.violations(run_id) == []


def test_completed_items_stay_though_a_plain_dependency_runs_again(engine: Engine) -> None:
    """Rule 61: the items of a reopened map are what they were."""
    engine.define("f", step("bad", when_exhausted="skip"), map_step("m", "run", "bad"))
    run_id = engine.run("f", [0, 1])
    fail_step(engine, engine.take_all(), "bad")
    tasks = engine.take_all()
    engine.complete(tasks["m[1]"], "kept")
    fail_step(engine, tasks, "m[0]")
    engine.retry(run_id)
    engine.complete(engine.take("bad"), "B")
    (again,) = engine.claim(10)
    assert (again.task_index, again.attempt, again.input) == (0, 2, {"item": 0, "bad": "B"})
    engine.complete(again, "new")
    assert engine.stored_run(run_id).output == {"m": ["new", "kept"]}
