"""STATE_MACHINE.md, walked row by row."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from .support.definitions import map_step, step
from .support.engine import Engine, reference

PAGE = Path(__file__).parents[1] / "STATE_MACHINE.md"

Transition = tuple[str, str, str]
Walk = Callable[[Engine], tuple[UUID, Callable[[], object]]]

WALKS: dict[Transition, Walk] = {}


def walks(kind: str, old: str, new: str) -> Callable[[Walk], Walk]:
    """Register how something of this kind comes from one status to another."""

    def register(walk: Walk) -> Walk:
        WALKS[kind, old, new] = walk
        return walk

    return register


def rows_of_the_page() -> set[Transition]:
    """Return the rows of the page's tables as (run, step or task, from, to)."""
    found: set[Transition] = set()
    for title, body in re.findall(
        r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    ):
        kind = title.split()[0].lower()
        for froms, to in re.findall(r"^\| ([^|]+) \| ([^|]+) \| .*$", body, re.MULTILINE):
            if froms not in ("from", "---"):
                found |= {(kind, old, to) for old in froms.split(", ")}
    return {row for row in found if "---" not in row[1]}


def observed(engine: Engine, kind: str, run_id: UUID) -> str:
    """Return the status of the run, of its step `x`, or of that step's task; (none) if there is none."""
    if kind == "run":
        query, params = "select status from pgflow.runs where run_id = %s", [run_id]
    else:
        table = {"step": "step_states", "task": "step_tasks"}[kind]
        query, params = f"select status from pgflow.{table} where run_id = %s and step_slug = 'x'", [run_id]
    found = engine.rows(query, *params)
    return found[0].status if found else "(none)"


def started(engine: Engine, *steps: dict[str, Any], value: Any = None) -> tuple[UUID, dict[str, Any]]:
    """Define these steps, start a run and claim what is ready."""
    engine.define("f", *steps)
    run_id = engine.run("f", value)
    return run_id, {task.step_slug: task for task in engine.claim(10)}


# -- runs ------------------------------------------------------------------------------------------


@walks("run", "running", "completed")
@walks("step", "running", "completed")
@walks("task", "running", "completed")
def complete(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, tasks = started(engine, step("x"))
    return run_id, lambda: engine.complete(tasks["x"])


@walks("run", "running", "failed")
@walks("step", "running", "failed")
@walks("task", "running", "failed")
def fail(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, tasks = started(engine, step("x"))
    return run_id, lambda: engine.fail(tasks["x"], retryable=False)


@walks("run", "running", "cancelled")
@walks("step", "running", "cancelled")
@walks("task", "running", "cancelled")
def cancel(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, _ = started(engine, step("x"))
    return run_id, lambda: engine.cancel(run_id)


@walks("run", "failed", "running")
@walks("step", "failed", "running")
@walks("task", "failed", "queued")
def retry_failed(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, act = fail(engine)
    act()
    return run_id, lambda: engine.retry(run_id)


@walks("run", "cancelled", "running")
@walks("step", "cancelled", "running")
@walks("task", "cancelled", "queued")
def retry_cancelled(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, act = cancel(engine)
    act()
    return run_id, lambda: engine.retry(run_id)


@walks("run", "completed", "running")
@walks("step", "completed", "running")
@walks("task", "completed", "queued")
def retry_completed(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, act = complete(engine)
    act()
    return run_id, lambda: engine.retry(run_id, "x")


# -- steps -----------------------------------------------------------------------------------------


@walks("step", "pending", "running")
@walks("task", "(none)", "queued")
def start_dependent(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, tasks = started(engine, step("a"), step("x", "a"))
    return run_id, lambda: engine.complete(tasks["a"])


@walks("step", "pending", "completed")
def map_over_nothing(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, tasks = started(engine, step("a"), map_step("x", "a"))
    return run_id, lambda: engine.complete(tasks["a"], [])


@walks("step", "pending", "failed")
def type_violation(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, tasks = started(engine, step("a"), map_step("x", "a"))
    return run_id, lambda: engine.complete(tasks["a"], 5)


@walks("step", "pending", "skipped")
def unmet(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, tasks = started(engine, step("a"), step("x", "a", required_input={"a": 1}))
    return run_id, lambda: engine.complete(tasks["a"], 2)


@walks("step", "pending", "cancelled")
def cancel_pending(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, _ = started(engine, step("a"), step("x", "a"))
    return run_id, lambda: engine.cancel(run_id)


@walks("step", "running", "skipped")
def skip(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, tasks = started(engine, step("x", when_exhausted="skip"))
    return run_id, lambda: engine.fail(tasks["x"], retryable=False)


@walks("step", "skipped", "running")
def retry_skipped(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, act = skip(engine)
    act()
    return run_id, lambda: engine.retry(run_id, "x")


def reset_dependent(engine: Engine, status: str) -> tuple[UUID, Callable[[], object]]:
    """Return a run whose step `x` ended like this, and the retry of the step before it."""
    run_id, tasks = started(engine, step("a"), step("x", "a", when_exhausted="skip"))
    engine.complete(tasks["a"])
    task = engine.take("x")
    if status == "completed":
        engine.complete(task)
    elif status == "skipped":
        engine.fail(task, retryable=False)
    else:
        engine.cancel(run_id)
    return run_id, lambda: engine.retry(run_id, "a")


@walks("step", "completed", "pending")
def reset_completed(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    return reset_dependent(engine, "completed")


@walks("step", "skipped", "pending")
def reset_skipped(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    return reset_dependent(engine, "skipped")


@walks("step", "cancelled", "pending")
def reset_cancelled(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    return reset_dependent(engine, "cancelled")


@walks("step", "failed", "pending")
def reset_failed(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, tasks = started(engine, step("a"), step("x", "a"))
    engine.complete(tasks["a"])
    engine.fail(engine.take("x"), retryable=False)
    return run_id, lambda: engine.retry(run_id, "a")


# -- tasks -----------------------------------------------------------------------------------------


def queued(engine: Engine) -> UUID:
    engine.define("f", step("x", launch_timeout=100, timeout=100_000))
    return engine.run("f")


def claimed(engine: Engine) -> tuple[UUID, Any]:
    run_id = queued(engine)
    return run_id, engine.take("x", mode="launch")


def lost(engine: Engine) -> tuple[UUID, Any]:
    run_id = queued(engine)
    task = engine.take("x", lease=10)
    engine.wait(20)
    engine.maintain()
    return run_id, task


@walks("task", "queued", "running")
def claim(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    return queued(engine), engine.claim


@walks("task", "queued", "claimed")
def claim_to_launch(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    return queued(engine), lambda: engine.claim(mode="launch")


@walks("task", "queued", "cancelled")
def cancel_queued(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id = queued(engine)
    return run_id, lambda: engine.cancel(run_id)


@walks("task", "queued", "completed")
def complete_late(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, task = lost(engine)
    return run_id, lambda: engine.complete(task)


@walks("task", "queued", "failed")
def fail_late(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, task = lost(engine)
    return run_id, lambda: engine.fail(task, retryable=False)


@walks("task", "claimed", "running")
def begin(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, task = claimed(engine)
    return run_id, lambda: engine.begin(task)


@walks("task", "claimed", "queued")
def never_started(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, _ = claimed(engine)
    return run_id, lambda: (engine.wait(200), engine.maintain())


@walks("task", "claimed", "failed")
def reject(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, task = claimed(engine)
    return run_id, lambda: engine.launches(reference(task) | {"outcome": "rejected", "kind": "permanent"})


@walks("task", "claimed", "completed")
def complete_unstarted(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, task = claimed(engine)
    return run_id, lambda: engine.complete(task)


@walks("task", "claimed", "cancelled")
def cancel_claimed(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, _ = claimed(engine)
    return run_id, lambda: engine.cancel(run_id)


@walks("task", "running", "queued")
def release(engine: Engine) -> tuple[UUID, Callable[[], object]]:
    run_id, tasks = started(engine, step("x"))
    return run_id, lambda: engine.release(tasks["x"])


# -- the walk --------------------------------------------------------------------------------------


def test_every_transition_happens_as_the_page_says(engine: Engine) -> None:
    """DESIGN 2: the table is walked: the status before, one verb, the status after."""
    engine.at(0)
    for (kind, old, new), walk in WALKS.items():
        engine.wait(100_000)
        run_id, act = walk(engine)
        assert observed(engine, kind, run_id) == old, (kind, old, new)
        act()
        assert observed(engine, kind, run_id) == new, (kind, old, new)
        engine.cancel(run_id)


def test_the_page_has_every_transition_and_no_other() -> None:
    """DESIGN 2: what is walked is what is written."""
    assert rows_of_the_page() - {("run", "(none)", "running")} == set(WALKS)
