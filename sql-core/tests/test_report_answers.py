"""Rule 28: what a report answers, for every verb in every state the attempt can be in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report, fail_report, release_report

Row = Any
Situation = Callable[[Engine, Row], None]

KINDS = ["single", "map"]
LEASE = 30


def nothing(_engine: Engine, _task: Row) -> None:
    pass


def expired(engine: Engine, _task: Row) -> None:
    engine.wait(LEASE + 1)


def lost(engine: Engine, task: Row) -> None:
    engine.wait(LEASE + 1)
    engine.maintain()
    assert engine.outcomes(task.run_id, task.step_slug, task.task_index)[-1] == (1, "lost")


def reclaimed(engine: Engine, task: Row) -> None:
    lost(engine, task)
    engine.wait(400)
    assert len(engine.claim(10, lease=10_000)) >= 1


def completed(engine: Engine, task: Row) -> None:
    assert engine.complete(task, "first") == "completed"


def failed_retrying(engine: Engine, task: Row) -> None:
    assert engine.fail(task) == "retrying"


def failed_for_good(engine: Engine, task: Row) -> None:
    assert engine.fail(task, retryable=False) == "failed"
    assert engine.status(task.run_id) == "failed"


def failed_then_reclaimed(engine: Engine, task: Row) -> None:
    failed_retrying(engine, task)
    engine.wait(400)
    assert len(engine.claim(10, lease=10_000)) >= 1


def released(engine: Engine, task: Row) -> None:
    assert engine.release(task) == ["released"]


def released_then_reclaimed(engine: Engine, task: Row) -> None:
    released(engine, task)
    assert len(engine.claim(10)) >= 1


def cancelled(engine: Engine, task: Row) -> None:
    assert engine.cancel(task.run_id) == "cancelled"


def timed_out(engine: Engine, task: Row) -> None:
    for _ in range(4):
        engine.wait(LEASE - 1)
        engine.heartbeat(task, lease=LEASE)
    engine.maintain()
    assert engine.outcomes(task.run_id, task.step_slug, task.task_index)[-1] == (1, "timed_out")


def run_completed(engine: Engine, task: Row) -> None:
    completed(engine, task)
    engine.work_off()
    assert engine.status(task.run_id) == "completed"


def run_cancelled_after_completion(engine: Engine, task: Row) -> None:
    completed(engine, task)
    cancelled(engine, task)


def run_cancelled_after_failure(engine: Engine, task: Row) -> None:
    failed_retrying(engine, task)
    cancelled(engine, task)


def sibling_failed(engine: Engine, task: Row) -> None:
    (other,) = (t for t in engine.claim(10) if t.step_slug == "sibling")
    assert engine.fail(other, retryable=False) == "failed"


# situation -> what complete, fail and release answer in it
ANSWERS: dict[Situation, tuple[str, str, str]] = {
    nothing: ("completed", "retrying", "released"),
    expired: ("completed", "retrying", "released"),
    lost: ("completed", "retrying", "released"),
    reclaimed: ("stale", "stale", "stale"),
    completed: ("duplicate", "stale", "stale"),
    run_completed: ("duplicate", "stale", "stale"),
    run_cancelled_after_completion: ("duplicate", "stale", "stale"),
    failed_retrying: ("stale", "duplicate", "stale"),
    failed_for_good: ("stale", "duplicate", "stale"),
    failed_then_reclaimed: ("stale", "duplicate", "stale"),
    run_cancelled_after_failure: ("stale", "duplicate", "stale"),
    released: ("stale", "stale", "duplicate"),
    released_then_reclaimed: ("stale", "stale", "duplicate"),
    cancelled: ("stale", "stale", "stale"),
    sibling_failed: ("stale", "stale", "stale"),
    timed_out: ("stale", "stale", "stale"),
}
REPORTS: list[Callable[[Row], dict[str, Any]]] = [
    lambda task: complete_report(task, "second"),
    fail_report,
    release_report,
]
VERBS = ("complete", "fail", "release")


@pytest.fixture(params=ANSWERS, ids=lambda situation: situation.__name__)
def cases(request: pytest.FixtureRequest) -> list[tuple[Situation, str, int, str]]:
    """One situation, with what each verb answers in it, for a single step and for a map item."""
    situation: Situation = request.param
    return [(situation, kind, verb, ANSWERS[situation][verb]) for kind in KINDS for verb in range(3)]


def prepare(engine: Engine, kind: str) -> Row:
    """Start a run with one claimed task under test, an unclaimed sibling and a dependent."""
    made = map_step("a", "run", priority=9) if kind == "map" else step("a", priority=9)
    engine.define("f", made, step("sibling"), step("end", "a", "sibling"))
    engine.at(0)
    engine.run("f", ["item"])
    return engine.take("a", lease=LEASE)


def stored(engine: Engine, task: Row) -> tuple[list[Row], ...]:
    return (
        [engine.stored_run(task.run_id)],
        engine.rows("select * from pgflow.step_states where run_id = %s order by step_slug", task.run_id),
        engine.tasks(task.run_id),
        engine.attempts(task.run_id, "a"),
    )


def test_a_batched_report_answers_by_what_became_of_its_attempt(
    engine: Engine, cases: list[tuple[Situation, str, int, str]]
) -> None:
    """Rule 28: order 1 to 4; a stale or duplicate report changes nothing."""
    for situation, kind, verb, answer in cases:
        task = prepare(engine, kind)
        situation(engine, task)
        before = stored(engine, task)
        (got,) = engine.report([REPORTS[verb](task)])
        allowed = {answer, "stale"} if (VERBS[verb], answer) == ("release", "duplicate") else {answer}
        assert got in allowed, (kind, VERBS[verb])
        assert (stored(engine, task) == before) == (answer in ("stale", "duplicate")), (kind, VERBS[verb])
        engine.cancel(task.run_id)


def test_a_single_report_answers_as_a_batched_one(
    engine: Engine, cases: list[tuple[Situation, str, int, str]]
) -> None:
    """Rule 28: the three single verbs, and rule 47: counters do not move."""
    for situation, kind, verb, answer in cases:
        task = prepare(engine, kind)
        situation(engine, task)
        before = stored(engine, task)
        calls = (
            lambda t=task: engine.complete(t, "second"),
            lambda t=task: engine.fail(t),
            lambda t=task: engine.release(t)[0],
        )
        expected = "stale" if (VERBS[verb], answer) == ("release", "duplicate") else answer
        assert calls[verb]() == expected, (kind, VERBS[verb])
        assert (stored(engine, task) == before) == (answer in ("stale", "duplicate")), (kind, VERBS[verb])
        engine.cancel(task.run_id)


def test_the_first_output_is_kept(engine: Engine) -> None:
    """Rule 28: a duplicate with another output changes nothing."""
    task = prepare(engine, "single")
    engine.complete(task, "first")
    for _ in range(3):
        assert engine.complete(task, "other") == "duplicate"
    assert engine.step(task.run_id, "a").output == "first"


def test_duplicates_within_one_batch_are_answered_in_order(engine: Engine) -> None:
    """Rule 28: the first is applied, the rest are told so."""
    task = prepare(engine, "single")
    answers = engine.report([complete_report(task, 1), complete_report(task, 2), fail_report(task)])
    assert answers == ["completed", "duplicate", "stale"]
    assert engine.step(task.run_id, "a").output == 1


def test_a_batch_that_fails_then_completes_keeps_the_failure(engine: Engine) -> None:
    """Rule 28: order within one batch is the order of its reports."""
    task = prepare(engine, "single")
    assert engine.report([fail_report(task), complete_report(task), fail_report(task)]) == [
        "retrying", "stale", "duplicate",
    ]  # fmt: skip
    assert engine.outcomes(task.run_id, "a") == [(1, "failed")]


def test_a_late_completion_turns_its_lost_row_late(engine: Engine) -> None:
    """Rule 29: work done is work kept; the task is not claimable any more."""
    task = prepare(engine, "single")
    lost(engine, task)
    assert engine.task(task.run_id, "a").status == "queued"
    assert engine.complete(task, "done") == "completed"
    assert engine.outcomes(task.run_id, "a") == [(1, "late")]
    assert engine.step(task.run_id, "a").output == "done"
    engine.wait(1000)
    assert [t.step_slug for t in engine.claim(10)] == ["sibling"]


def test_a_late_failure_spends_the_attempt_once(engine: Engine) -> None:
    """Rule 28: LOST already counted this attempt against the budget."""
    task = prepare(engine, "single")
    lost(engine, task)
    assert engine.fail(task) == "retrying"
    stored_task = engine.task(task.run_id, "a")
    assert (stored_task.status, stored_task.failures) == ("queued", 1)
    assert engine.outcomes(task.run_id, "a") == [(1, "late")]
    assert engine.attempts(task.run_id, "a")[0].error["message"] == "it broke"


def test_a_late_final_failure_ends_the_run(engine: Engine) -> None:
    """Rule 28: applied means applied."""
    task = prepare(engine, "single")
    lost(engine, task)
    assert engine.fail(task, retryable=False) == "failed"
    assert engine.status(task.run_id) == "failed"


def test_a_loss_that_spends_the_budget_makes_a_late_report_stale(engine: Engine) -> None:
    """Rule 47: the run has ended."""
    engine.define("f", step("a", max_attempts=1))
    engine.at(0)
    engine.run("f")
    task = engine.take("a")
    lost(engine, task)
    assert engine.status(task.run_id) == "failed"
    assert (engine.complete(task), engine.fail(task), engine.release(task)) == ("stale", "stale", ["stale"])


def test_an_expired_lease_nobody_noticed_costs_nothing(engine: Engine) -> None:
    """Rule 29: a completion before anyone re-claimed leaves no lost attempt."""
    task = prepare(engine, "single")
    expired(engine, task)
    assert engine.complete(task) == "completed"
    assert engine.outcomes(task.run_id, "a") == []
    engine.maintain()
    assert engine.outcomes(task.run_id, "a") == []
