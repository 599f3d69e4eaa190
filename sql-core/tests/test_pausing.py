"""Pausing runs and executors."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .support.definitions import chain, map_step, step
from .support.engine import Engine
from .test_cost import reads, settle

KINDS = {"single": step("a", timeout=10_000), "map": map_step("a", "run", timeout=10_000)}


def pause(engine: Engine, run_id: object) -> None:
    engine.rows("select pgflow.pause_run(%s)", run_id)


def resume(engine: Engine, run_id: object) -> None:
    engine.rows("select pgflow.resume_run(%s)", run_id)


def poll(engine: Engine, **arguments: object) -> list[str]:
    """Claim, and claim again when nothing came."""
    arguments.setdefault("lease", 1000)
    tasks = engine.claim(10, **arguments) or engine.claim(10, **arguments)  # type: ignore[arg-type]
    return sorted(task.step_slug for task in tasks)


def test_nothing_new_is_claimed_of_a_paused_run(engine: Engine) -> None:
    """Rule 63: running tasks finish; what they make ready waits; resume continues."""
    engine.define("f", step("a"), step("b", "a"), step("c"), map_step("m", "run"))
    paused, other = engine.run("f", [1, 2], priority=5), engine.run("f", [1])
    running = engine.take("a")
    assert running.run_id == paused
    pause(engine, paused)
    assert engine.stored_run(paused).status == "running"
    assert engine.get_run(paused)["paused_at"] is not None
    assert {t.run_id for t in engine.claim(10)} == {other}
    assert engine.complete(running) == "completed"
    assert engine.steps(paused)["b"] == "running"
    assert poll(engine) == []
    assert engine.heartbeat(running) == ["stale"]
    resume(engine, paused)
    assert engine.get_run(paused)["paused_at"] is None
    assert poll(engine) == ["b", "c", "m", "m"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_a_claim_held_while_its_run_was_paused_waits(
    engine: Engine, open_engine: Callable[[], Engine], kind: str
) -> None:
    """Rule 63: pausing waits for no claim, so the entry of one that is undone stays among the ready ones."""
    engine.define("f", KINDS[kind])
    run_id = engine.run("f", [1])
    claimer = open_engine()
    with claimer.connection.transaction(force_rollback=True):
        claimer.take("a")
        pause(engine, run_id)
    assert engine.value("select count(*) from pgflow.ready_tasks") == 1
    assert poll(engine) == []
    assert engine.value("select count(*) from pgflow.parked_tasks") == 1
    resume(engine, run_id)
    assert poll(engine) == ["a"]


def test_pause_and_resume_are_idempotent(engine: Engine) -> None:
    """Rule 63: twice is once; resuming what is not paused changes nothing."""
    engine.define("f", *chain("a", "b"))
    run_id = engine.run("f")
    resume(engine, run_id)
    for _ in range(2):
        pause(engine, run_id)
    assert poll(engine) == []
    for _ in range(2):
        resume(engine, run_id)
    assert poll(engine) == ["a"]
    assert poll(engine) == []


def test_an_ended_run_cannot_be_paused(engine: Engine) -> None:
    """Rule 63: nothing changes, and the answer says so."""
    engine.define("f", step("a"))
    run_id = engine.run("f")
    engine.work_off()
    assert engine.value("select pgflow.pause_run(%s)", run_id) == "already_ended"
    assert engine.get_run(run_id)["paused_at"] is None


def test_what_becomes_due_while_paused_waits_for_the_resume(engine: Engine) -> None:
    """Rule 63: delays, retries and releases pass while paused and are ready at the resume."""
    engine.define("f", step("late", start_delay=10), step("retry", base_delay=10), step("back"))
    engine.at(0)
    run_id = engine.run("f")
    tasks = engine.take_all()
    pause(engine, run_id)
    assert engine.fail(tasks["retry"]) == "retrying"
    assert engine.release(tasks["back"], delay=10) == ["released"]
    engine.at(100)
    assert poll(engine) == []
    engine.maintain(2)
    assert poll(engine) == []
    resume(engine, run_id)
    assert poll(engine) == ["back", "late", "retry"]


def test_delays_go_on_after_a_resume(engine: Engine) -> None:
    """Rule 63: resume makes nothing visible before its time."""
    engine.define("f", step("late", start_delay=100), step("now", timeout=1000))
    engine.at(0)
    run_id = engine.run("f")
    pause(engine, run_id)
    engine.at(10)
    resume(engine, run_id)
    assert poll(engine) == ["now"]
    engine.at(101)
    assert poll(engine) == ["late"]


@pytest.mark.parametrize("kind", KINDS)
def test_paused_time_does_not_count_as_a_missed_lease(engine: Engine, kind: str) -> None:
    """Rule 63: a run paused for longer than the lease loses no attempt by it."""
    engine.define("f", KINDS[kind])
    engine.at(0)
    run_id = engine.run("f", [1])
    task = engine.take(lease=30)
    engine.at(10)
    pause(engine, run_id)
    engine.at(1000)
    engine.maintain()
    assert engine.outcomes(run_id, "a") == []
    resume(engine, run_id)
    engine.at(1001)
    engine.maintain()
    assert poll(engine) == []
    assert engine.heartbeat(task) == ["ok"]
    assert engine.complete(task) == "completed"


@pytest.mark.parametrize("kind", KINDS)
def test_a_launch_waits_as_long_as_it_would_have_without_the_pause(engine: Engine, kind: str) -> None:
    """Rule 63: its deadline moves by the whole pause, and no further."""
    engine.define("f", KINDS[kind] | {"options": {"launch_timeout": 100}})
    engine.at(0)
    run_id = engine.run("f", [1])
    engine.take(mode="launch")
    engine.at(40)
    pause(engine, run_id)
    engine.at(1000)
    resume(engine, run_id)
    engine.at(1059)
    engine.maintain(2)
    assert engine.outcomes(run_id, "a") == []
    engine.at(1070)
    engine.maintain(2)
    assert engine.outcomes(run_id, "a") == [(1, "launch_failed")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_lease_missed_after_the_resume_is_lost(engine: Engine, kind: str) -> None:
    """Rule 63: a pause delays the recovery, it does not end it."""
    engine.define("f", KINDS[kind])
    engine.at(0)
    run_id = engine.run("f", [1])
    engine.take(lease=30)
    pause(engine, run_id)
    engine.at(1000)
    resume(engine, run_id)
    engine.at(1100)
    engine.maintain(2)
    assert engine.outcomes(run_id, "a") == [(1, "lost")]
    engine.wait(100)
    assert poll(engine) == ["a"]


def test_a_paused_run_can_be_cancelled_and_ended(engine: Engine) -> None:
    """Rule 63: pausing is no lock."""
    engine.define("f", step("a", max_attempts=1), step("b"))
    cancelled, failed, completed = (engine.run("f") for _ in range(3))
    tasks = {(t.run_id, t.step_slug): t for t in engine.claim(10)}
    for run_id in (cancelled, failed, completed):
        pause(engine, run_id)
    assert engine.cancel(cancelled) == "cancelled"
    assert engine.fail(tasks[failed, "a"]) == "failed"
    assert engine.complete(tasks[completed, "a"]) == "completed"
    assert engine.complete(tasks[completed, "b"]) == "completed"
    assert [engine.status(run) for run in (cancelled, failed, completed)] == [
        "cancelled",
        "failed",
        "completed",
    ]


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_no_task_of_an_ended_run_waits_for_its_resume(engine: Engine, end: str) -> None:
    """Rule 63: neither the run nor its tasks stay behind as paused ones."""
    engine.define("f", step("a", max_attempts=1), step("b"), map_step("m", "run"))
    run_id = engine.run("f", [1, 2])
    task = engine.take("a")
    pause(engine, run_id)
    assert engine.value("select count(*) from pgflow.parked_tasks") == 3
    assert (engine.cancel(run_id) if end == "cancelled" else engine.fail(task)) == end
    assert engine.rows("select run_id from pgflow.parked_tasks") == []
    assert engine.rows("select run_id from pgflow.paused_runs") == []


def test_a_retried_run_is_not_paused(engine: Engine) -> None:
    """Rule 61: what is reopened runs, whatever it was before it ended."""
    engine.define("f", step("a"))
    run_id = engine.run("f")
    pause(engine, run_id)
    engine.cancel(run_id)
    engine.retry(run_id)
    assert poll(engine) == ["a"]


def test_nothing_is_claimed_of_a_paused_executor(engine: Engine) -> None:
    """Rule 21: other executors go on; resume continues; new work waits too."""
    engine.define("f", step("a", executor="x"), step("b", "a", executor="x"), step("c"))
    first = engine.run("f")
    running = engine.take("a", executor="x")
    engine.rows("select pgflow.pause_executor('x')")
    engine.run("f")
    assert engine.complete(running) == "completed"
    assert poll(engine, executor="x") == []
    assert poll(engine) == ["c", "c"]
    engine.rows("select pgflow.resume_executor('x')")
    assert poll(engine, executor="x") == ["a", "b"]
    assert engine.status(first) == "running"


def test_an_executor_may_be_paused_before_it_has_work(engine: Engine) -> None:
    """Rule 63: pausing names an executor, not its tasks."""
    engine.rows("select pgflow.pause_executor('x')")
    engine.rows("select pgflow.pause_executor('x')")
    engine.define("f", step("a", executor="x"))
    engine.run("f")
    assert poll(engine, executor="x") == []
    engine.rows("select pgflow.resume_executor('x')")
    assert poll(engine, executor="x") == ["a"]


def test_a_run_paused_while_its_executor_is_needs_both_resumed(engine: Engine) -> None:
    """Rule 63: the two pauses know nothing of each other."""
    for first, second in (("run", "executor"), ("executor", "run")):
        engine.define("f", step("a", executor="x"))
        run_id = engine.run("f")
        pause(engine, run_id)
        engine.rows("select pgflow.pause_executor('x')")
        for what in (first, second):
            assert poll(engine, executor="x") == []
            if what == "run":
                resume(engine, run_id)
            else:
                engine.rows("select pgflow.resume_executor('x')")
        assert poll(engine, executor="x") == ["a"]


def test_a_map_that_becomes_ready_while_paused_waits(engine: Engine) -> None:
    """Rule 63: its tasks exist and are not claimed."""
    engine.define("f", step("a"), map_step("m", "a"))
    run_id = engine.run("f")
    task = engine.take("a")
    pause(engine, run_id)
    engine.complete(task, [1, 2, 3])
    assert [t.status for t in engine.tasks(run_id, "m")] == ["queued"] * 3
    assert poll(engine) == []
    resume(engine, run_id)
    assert poll(engine) == ["m"] * 3


def test_what_a_paused_run_makes_ready_is_parked_without_reading_the_queue(engine: Engine) -> None:
    """Rule 63: nor rule 26: other ready tasks are not looked at."""
    engine.define("f", step("a", base_delay=0), step("b", "a"))
    engine.define("g", map_step("m", "run"))
    run_id = engine.run("f", priority=5)
    task = engine.take("a")
    engine.run("g", list(range(2000)))
    pause(engine, run_id)
    settle(engine)
    assert reads(engine, lambda: engine.release(task)) < 60
    assert engine.value("select count(*) from pgflow.parked_tasks") == 1
    resume(engine, run_id)
    task = engine.take("a")
    pause(engine, run_id)
    settle(engine)
    assert reads(engine, lambda: engine.complete(task)) < 60
    resume(engine, run_id)
    assert poll(engine)[0] == "b"
