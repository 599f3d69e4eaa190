"""How runs end: by completion, by cancellation."""

from __future__ import annotations

import pytest

from .support.definitions import chain, map_step, step
from .support.engine import Engine, refused


def test_a_run_completes_exactly_when_no_step_is_live(engine: Engine) -> None:
    """Rule 58: not a report earlier; finished_at set."""
    engine.define("f", step("a"), step("b", "a"), step("c"), map_step("m", "run"), returns="a")
    engine.at(0)
    run_id = engine.run("f", [1, 2])
    done = 0
    while tasks := engine.claim(10):
        for task in tasks:
            assert engine.stored_run(run_id).finished_at is None
            assert engine.status(run_id) == "running"
            now = engine.wait(1)
            engine.complete(task, task.step_slug)
            done += 1
    assert done == 5
    run = engine.stored_run(run_id)
    assert (run.status, run.finished_at, run.error) == ("completed", now, None)
    assert run.output == {"a": "a", "b": "b", "c": "c", "m": ["m", "m"]}


def test_the_output_is_of_leaves_and_of_the_step_that_returns(engine: Engine) -> None:
    """Rule 35: a skipped leaf has no key."""
    leaves = [step("a"), step("b", "a"), step("c", "a"), step("d", "a", required_input={"run": {"x": 1}})]
    engine.define("plain", *leaves)
    engine.define("valued", *leaves, returns="a")
    plain, valued = engine.run("plain"), engine.run("valued")
    engine.work_off({"a": 1, "b": {"x": None}, "c": None})
    assert engine.stored_run(plain).output == {"b": {"x": None}, "c": None}
    assert engine.stored_run(valued).output == {"a": 1, "b": {"x": None}, "c": None}


def test_a_run_of_which_nothing_completed_has_a_null_output(engine: Engine) -> None:
    """Rule 35: JSON null, for it has completed; SQL NULL means none yet."""
    engine.define("f", step("a", required_input={"run": {"x": 1}}), step("b"))
    engine.define("g", step("a", required_input={"run": {"x": 1}}))
    empty, live = engine.run("g", {}), engine.run("f", {})
    texts = {row[0]: row[1] for row in engine.rows("select run_id, output::text from pgflow.runs")}
    assert texts == {empty: "null", live: None}


def test_cancel_ends_everything_live_at_once(engine: Engine) -> None:
    """Rule 59: queued, claimed, running, delayed and pending; what ended stays."""
    engine.define(
        "f", step("done", priority=9), step("run1"), step("launched", executor="x"),
        step("later", start_delay=60), step("after", "run1"), map_step("m", "run", priority=-1),
    )  # fmt: skip
    engine.at(0)
    run_id = engine.run("f", [1, 2, 3])
    engine.complete(engine.take("done"), "kept")
    running = engine.take("run1")
    launched = engine.take("launched", executor="x", mode="launch")
    item = engine.take("m")
    now = engine.at(1)
    assert engine.cancel(run_id, "changed my mind") == "cancelled"
    run = engine.stored_run(run_id)
    assert (run.status, run.finished_at) == ("cancelled", now)
    assert "changed my mind" in run.error["message"]
    cancelled = dict.fromkeys(("run1", "launched", "later", "after", "m"), "cancelled")
    assert engine.steps(run_id) == {"done": "completed", **cancelled}
    assert {t.status for t in engine.tasks(run_id) if t.step_slug != "done"} == {"cancelled"}
    assert all(t.finished_at for t in engine.tasks(run_id))
    assert engine.heartbeat(running, launched, item) == ["cancel"] * 3
    assert engine.begin(launched).status == "stale"
    for task in (running, launched, item):
        assert engine.complete(task) == "stale"
        assert engine.fail(task) == "stale"
        assert engine.release(task) == ["stale"]
    engine.at(1000)
    assert engine.claim(10) + engine.claim(10, executor="x") == []


def test_a_cancelled_attempt_keeps_a_row(engine: Engine) -> None:
    """Rule 42: outcome `cancelled`, for attempts that were under way only."""
    engine.define("f", step("a"), step("b"))
    run_id = engine.run("f")
    engine.take("a")
    engine.cancel(run_id)
    assert engine.outcomes(run_id, "a") == [(1, "cancelled")]
    assert engine.outcomes(run_id, "b") == []


def test_cancel_is_idempotent(engine: Engine) -> None:
    """Rule 59: the first one is kept."""
    engine.define("f", step("a"))
    engine.at(0)
    run_id = engine.run("f")
    assert engine.cancel(run_id, "first") == "cancelled"
    before = engine.stored_run(run_id)
    engine.at(5)
    assert engine.cancel(run_id, "second") == "already_ended"
    assert engine.stored_run(run_id) == before


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_cancel_of_an_ended_run_changes_nothing_and_says_so(engine: Engine, end: str) -> None:
    """Rule 60: already_ended."""
    engine.define("f", step("a"))
    run_id = engine.run("f")
    task = engine.take()
    engine.complete(task) if end == "completed" else engine.fail(task, retryable=False)
    before = (
        engine.stored_run(run_id),
        engine.rows("select * from pgflow.step_states"),
        engine.tasks(run_id),
    )
    assert engine.cancel(run_id) == "already_ended"
    assert (
        engine.stored_run(run_id),
        engine.rows("select * from pgflow.step_states"),
        engine.tasks(run_id),
    ) == before
    assert before[0].status == end


def test_an_unknown_run_cannot_be_cancelled(engine: Engine) -> None:
    """DESIGN 3: PF003 naming it, in every run-level verb."""
    engine.define("f", step("a"))
    unknown = "00000000-0000-7000-8000-000000000000"
    for call in (
        "cancel_run(%s)",
        "retry_run(%s)",
        "pause_run(%s)",
        "resume_run(%s)",
        "get_run(%s)",
        "start_step(%s, 'a')",
    ):
        with refused("PF003", unknown):
            engine.rows(f"select pgflow.{call}", unknown)


def test_a_cancelled_run_that_is_rolled_back_goes_on(engine: Engine) -> None:
    """Rule 37: every verb is its caller's transaction."""
    engine.define("f", *chain("a", "b"))
    run_id = engine.run("f")
    task = engine.take("a")
    with engine.connection.transaction(force_rollback=True):
        engine.cancel(run_id)
        assert engine.heartbeat(task) == ["cancel"]
    assert engine.heartbeat(task) == ["ok"]
    engine.complete(task)
    assert engine.work_off() == 1
    assert engine.status(run_id) == "completed"


def test_start_step_moves_nothing_that_the_engine_starts_itself(engine: Engine) -> None:
    """DESIGN 3.3: false if it is not pending or its dependencies are open."""
    engine.define("f", step("a"), step("b", "a"))
    run_id = engine.run("f")
    call = "select pgflow.start_step(%s, %s)"
    assert [engine.value(call, run_id, slug) for slug in "ab"] == [False, False]
    assert engine.steps(run_id) == {"a": "running", "b": "pending"}
    engine.work_off()
    assert [engine.value(call, run_id, slug) for slug in "ab"] == [False, False]
    with refused("PF003", "nowhere"):
        engine.value(call, run_id, "nowhere")


def test_start_step_repairs_a_step_that_was_left_behind(engine: Engine) -> None:
    """DESIGN 3.3: true iff this call moved it out of pending; once, and as the engine would have."""
    engine.define(
        "f", step("a"), step("b", "a"), map_step("m", "a"), step("off", "a", required_input={"a": 1})
    )
    run_id = engine.run("f")
    engine.complete(engine.take("a"), [7])
    with engine.transaction():  # what a restored or hand-edited database might look like
        engine.rows("update pgflow.runs set remaining_steps = 3")
        engine.rows("delete from pgflow.ready_tasks")
        engine.rows("delete from pgflow.map_tasks")
        engine.rows("delete from pgflow.map_counters")
        engine.rows(
            """update pgflow.run_steps
               set status = 'pending', started_at = null, finished_at = null, skip_reason = null,
                 task_count = case when step_slug = 'm' then null else task_count end
               where step_slug <> 'a'"""
        )
    assert engine.claim(10) == []
    call = "select pgflow.start_step(%s, %s)"
    assert [engine.value(call, run_id, slug) for slug in ("b", "m", "off")] == [True] * 3
    assert [engine.value(call, run_id, slug) for slug in ("a", "b", "m", "off")] == [False] * 4
    assert engine.steps(run_id) == {"a": "completed", "b": "running", "m": "running", "off": "skipped"}
    assert engine.violations() == []
    assert engine.work_off() == 2
    assert engine.status(run_id) == "completed"
