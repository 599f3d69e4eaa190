"""Failures, retries and what they leave behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from .support.definitions import map_step, step
from .support.engine import EPOCH, Engine, fail_report, key


def fail_all(engine: Engine, times: int, **arguments: object) -> list[str]:
    """Claim and fail the one ready task again and again, far apart in time."""
    answers = []
    for _ in range(times):
        engine.wait(10_000)
        answers.append(engine.fail(engine.take(), **arguments))  # type: ignore[arg-type]
    return answers


@pytest.mark.parametrize("kind", ["single", "map"])
def test_a_failure_with_attempts_left_is_retried_after_its_delay(engine: Engine, kind: str) -> None:
    """Rule 40: `retrying`; queued again, invisible until the delay is over."""
    made = {"single": step, "map": lambda slug, **o: map_step(slug, "run", **o)}[kind]
    engine.define("f", made("a", base_delay=10, jitter=0))
    now = engine.at(0)
    run_id = engine.run("f", ["x"])
    task = engine.take("a")
    assert engine.fail(task, {"message": "no", "type": "ValueError"}) == "retrying"
    stored = engine.task(run_id, "a")
    assert (stored.status, stored.failures, stored.attempt) == ("queued", 1, 1)
    assert stored.visible_at == now + timedelta(seconds=10)
    assert stored.lease_expires_at is None
    assert engine.steps(run_id) == {"a": "running"}
    engine.at(9.9)
    assert engine.claim(10) + engine.claim(10) == []
    engine.at(10.1)
    again = (engine.claim(1) or engine.claim(1))[0]
    assert (again.attempt, again.failures) == (2, 1)
    assert again.attempt_token != task.attempt_token
    assert engine.complete(again) == "completed"


@pytest.mark.parametrize(
    ("options", "delays"),
    [
        ({"base_delay": 2}, [2, 4, 8, 16]),
        ({"base_delay": 2, "max_delay": 5}, [2, 4, 5, 5]),
        ({"base_delay": 2, "backoff": "fixed"}, [2, 2, 2, 2]),
        ({"base_delay": 0}, [0, 0, 0, 0]),
        ({"base_delay": 1000}, [300, 300, 300, 300]),
        ({"base_delay": 0.25, "backoff": "exponential"}, [0.25, 0.5, 1, 2]),
        ({}, [1, 2, 4, 8]),
    ],
)
def test_delays_double_up_to_the_cap(engine: Engine, options: dict[str, object], delays: list[float]) -> None:
    """Rule 40: base_delay * 2^(failures-1), capped by max_delay."""
    engine.define("f", step("a", max_attempts=5, jitter=0, **options))
    engine.at(0)
    run_id = engine.run("f")
    for delay in delays:
        now = engine.wait(1000)
        engine.fail(engine.take("a"))
        visible_at = engine.task(run_id, "a").visible_at or now  # none: at once
        assert visible_at - now == timedelta(seconds=delay)


def test_a_high_number_of_failures_does_not_overflow(engine: Engine) -> None:
    """Rule 40: 2^(failures-1) stays a delay of max_delay, when no double could hold it."""
    engine.define("f", step("a", max_attempts=2000, jitter=0, max_delay=5))
    run_id = engine.run("f")
    engine.rows(
        """do $$
        declare
          start timestamptz := '2020-01-01 00:00:00Z';
          task record;
        begin
          for hour in 1..1030 loop
            perform set_config('pgflow.fake_now', (start + interval '1 hour' * hour)::text, true);
            select * into strict task from pgflow.claim_step_tasks('local', 'w', 1);
            perform pgflow.fail_step_task(task.run_id, 'a', 0, task.attempt_token, '{}');
          end loop;
        end $$"""
    )
    stored = engine.task(run_id, "a")
    assert stored.failures == 1030
    assert (stored.visible_at - EPOCH) - timedelta(hours=1030) == timedelta(seconds=5)


def test_delays_are_jittered_upwards(engine: Engine) -> None:
    """Rule 40: delay * (1 + jitter * random())."""
    engine.define("f", step("a", base_delay=100, jitter=0.5))
    now = engine.at(0)
    engine.run_many("f", list(range(50)))
    engine.report(fail_report(task) for task in engine.claim(50))
    delays = {
        (row[0] - now).total_seconds() for row in engine.rows("select visible_at from pgflow.step_tasks")
    }
    assert 100 <= min(delays) < max(delays) <= 150
    assert len(delays) > 40


@pytest.mark.parametrize("retry_after", [0, 7.5, 5000])
def test_retry_after_wins_when_given(engine: Engine, retry_after: float) -> None:
    """Rule 40: over back-off, cap and jitter."""
    engine.define("f", step("a", base_delay=60))
    now = engine.at(0)
    run_id = engine.run("f")
    assert engine.fail(engine.take(), retry_after=retry_after) == "retrying"
    assert (engine.task(run_id, "a").visible_at or now) == now + timedelta(seconds=retry_after)


def test_retry_after_buys_no_attempt(engine: Engine) -> None:
    """Rule 41: exhausted is exhausted."""
    engine.define("f", step("a", max_attempts=1))
    run_id = engine.run("f")
    assert engine.fail(engine.take(), retry_after=5) == "failed"
    assert engine.status(run_id) == "failed"


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_the_task_fails_when_its_attempts_are_exhausted(engine: Engine, attempts: int) -> None:
    """Rule 41: after max_attempts; rule 51: max_attempts=1 means no retry."""
    engine.define("f", step("a", max_attempts=attempts))
    engine.at(0)
    run_id = engine.run("f")
    assert fail_all(engine, attempts) == ["retrying"] * (attempts - 1) + ["failed"]
    assert engine.task(run_id, "a").status == "failed"
    assert engine.status(run_id) == "failed"


def test_a_failure_that_is_not_retryable_is_final(engine: Engine) -> None:
    """Rule 41: retryable=false, by either verb; null means the default."""
    engine.define("f", step("a", max_attempts=9, base_delay=0))
    first, second = engine.run("f"), engine.run("f")
    assert engine.fail(engine.take(), retryable=False) == "failed"
    assert engine.report([fail_report(engine.take(), retryable=False)]) == ["failed"]
    assert [engine.status(run) for run in (first, second)] == ["failed", "failed"]


def test_every_failed_attempt_keeps_a_row(engine: Engine) -> None:
    """Rule 42: number, outcome, error, worker, times."""
    engine.define("f", step("a", base_delay=0, jitter=0))
    started = engine.at(100)
    run_id = engine.run("f")
    error = {"message": "no", "type": "ValueError", "traceback": "Traceback ...", "code": "HANDLER_FAILED"}
    task = engine.take(worker="w-1")
    ended = engine.at(101)
    engine.fail(task, error)
    engine.at(102)
    engine.release(engine.take(worker="w-2"))
    engine.at(103)
    engine.complete(engine.take(worker="w-3"))
    first, second = engine.attempts(run_id, "a")
    assert (first.attempt, first.outcome, first.worker_id) == (1, "failed", "w-1")
    assert first.error.items() >= error.items()
    assert first.error.items() >= {"step_slug": "a", "task_index": 0, "attempt": 1}.items()
    assert (second.attempt, second.outcome, second.worker_id) == (2, "released", "w-2")
    times = engine.row(
        "select started_at, ended_at from pgflow.step_task_attempts where run_id = %s and attempt = 1", run_id
    )
    assert times[:] == (started, ended)
    every = engine.rows(
        "select attempt, worker_id from pgflow.task_attempts where run_id = %s order by 1", run_id
    )
    assert [tuple(row) for row in every] == [(1, "w-1"), (2, "w-2"), (3, "w-3")]


def test_an_error_is_always_an_object(engine: Engine) -> None:
    """DESIGN 3: {code, message, ...} whatever the reporter sent; what it said is kept."""
    engine.define("f", step("a", max_attempts=1))
    for given in ({"message": "no"}, "no", {}, None, [1], 5, {"message": 5}, {"message": None, "code": []}):
        run_id = engine.run("f")
        engine.rows("select pgflow.fail_step_task(%s, %s, %s, %s, %s)", *key(engine.take()), Jsonb(given))
        for stored in (engine.stored_run(run_id), engine.step(run_id, "a"), engine.task(run_id, "a")):
            assert isinstance(stored.error["code"], str), given
            assert isinstance(stored.error["message"], str), given
            assert given not in ({"message": "no"}, "no") or stored.error["message"] == "no"


def test_a_sql_null_error_is_an_object_too(engine: Engine) -> None:
    """DESIGN 3: even when nothing was said."""
    engine.define("f", step("a", max_attempts=1))
    run_id = engine.run("f")
    task = engine.take()
    engine.rows("select pgflow.fail_step_task(%s, %s, %s, %s, null)", *key(task))
    assert set(engine.stored_run(run_id).error) >= {"code", "message"}


def test_a_lost_attempt_keeps_a_row(engine: Engine) -> None:
    """Rule 42: lost, timed out, launch failed: each by its name."""
    engine.define("f", step("a"))
    engine.at(0)
    run_id = engine.run("f")
    engine.take(worker="w-1", lease=10)
    engine.at(11)
    engine.maintain()
    (attempt,) = engine.attempts(run_id, "a")
    assert (attempt.attempt, attempt.outcome, attempt.worker_id) == (1, "lost", "w-1")
    assert attempt.error["code"] == "LOST"


def test_start_delay_applies_to_the_first_attempt_only(engine: Engine) -> None:
    """Rule 51: a retry waits for its back-off alone."""
    engine.define("f", step("a", start_delay=100, base_delay=1, jitter=0))
    engine.at(0)
    run_id = engine.run("f")
    now = engine.at(101)
    task = (engine.claim(1) or engine.claim(1))[0]
    assert engine.fail(task) == "retrying"
    assert engine.task(run_id, "a").visible_at == now + timedelta(seconds=1)


@pytest.mark.parametrize("kind", ["single", "map"])
@pytest.mark.parametrize("end", ["fail", "release", "loss"])
def test_no_way_back_to_the_queue_starts_the_delay_anew(engine: Engine, kind: str, end: str) -> None:
    """Rule 51: of a step and of an item, by a failure, a release or a loss."""
    options = {"start_delay": 100, "base_delay": 1, "jitter": 0}
    engine.define("f", step("a", **options) if kind == "single" else map_step("a", "run", **options))
    engine.at(0)
    run_id = engine.run("f", [1])
    assert engine.claim(1) + engine.claim(1) == []
    engine.at(101)
    task = (engine.claim(1, lease=10) or engine.claim(1, lease=10))[0]
    if end == "fail":
        engine.fail(task)
    elif end == "release":
        engine.release(task)
    else:
        engine.at(112)
        engine.maintain()
    engine.wait(2)
    (again,) = engine.claim(1) or engine.claim(1)
    assert (again.attempt, engine.task(run_id, "a").status) == (2, "running")


@pytest.mark.parametrize("kind", ["single", "map"])
def test_history_tells_every_way_an_attempt_ended(engine: Engine, kind: str) -> None:
    """Rule 42: number, outcome, code of the error, worker, when it began and ended: in turn, of one task."""
    options = {"base_delay": 0, "jitter": 0, "timeout": 100, "launch_timeout": 20, "max_attempts": 9}
    engine.define("f", step("a", **options) if kind == "single" else map_step("a", "run", **options))
    run_id = engine.run("f", [1])

    def due(second: float, **arguments: Any) -> Any:
        engine.at(second)
        engine.maintain()
        return engine.take(worker=f"w{second}", **arguments)

    engine.fail(due(0), {"message": "no", "code": "E"})
    engine.release(due(10))
    due(20, lease=5)
    due(30, mode="launch")
    due(60, lease=1000)
    late = due(200, lease=5)
    engine.at(210)
    engine.maintain()
    assert engine.fail(late, {"message": "after all", "code": "L"}) == "retrying"
    due(220)
    engine.at(225)
    engine.cancel(run_id)
    told = [
        (
            *(row.attempt, row.outcome, row.error and row.error["code"], row.worker_id),
            *(at and (at - EPOCH).total_seconds() for at in (row.started_at, row.ended_at)),
        )
        for row in engine.attempts(run_id, "a")
    ]
    assert told == [
        (1, "failed", "E", "w0", 0, 0),
        (2, "released", None, "w10", 10, 10),
        (3, "lost", "LOST", "w20", 20, 30),
        (4, "launch_failed", "LAUNCH_FAILED", "w30", None, 60),
        (5, "timed_out", "TIMEOUT", "w60", 60, 200),
        (6, "late", "L", "w200", 200, 210),
        (7, "cancelled", None, "w220", 220, 225),
    ]


def test_a_retry_of_one_item_leaves_the_others_alone(engine: Engine) -> None:
    """Rule 40: budgets are the task's own."""
    engine.define("f", map_step("m", "run", max_attempts=2, base_delay=0))
    engine.at(0)
    run_id = engine.run("f", [0, 1, 2])
    first, second, third = engine.claim(3)
    assert engine.fail(second) == "retrying"
    assert engine.complete(first, "a") == "completed"
    assert [t.failures for t in engine.tasks(run_id)] == [0, 1, 0]
    engine.wait(1)
    assert engine.fail(third) == "retrying"
    engine.wait(1)
    again = engine.claim(10)
    assert sorted(t.task_index for t in again) == [1, 2]
    for task in again:
        engine.complete(task, "b")
    assert engine.step(run_id, "m").output == ["a", "b", "b"]


def test_a_log_tail_is_kept_with_its_attempt(engine: Engine) -> None:
    """CONTRACT: report objects may carry log_tail, for failed and completed attempts alike."""
    engine.define("f", step("a", base_delay=0))
    engine.at(0)
    run_id = engine.run("f")
    assert engine.report([fail_report(engine.take(), log_tail="first words")]) == ["retrying"]
    engine.wait(1)
    task = engine.take()
    done = fail_report(task) | {"outcome": "complete", "log_tail": "last words"}
    assert engine.report([done]) == ["completed"]
    logs = engine.rows(
        "select attempt, log_tail from pgflow.task_logs where run_id = %s and step_slug = 'a' order by 1",
        run_id,
    )
    assert [tuple(row) for row in logs] == [(1, "first words"), (2, "last words")]
    assert engine.attempts(run_id, "a")[0].log_tail == "first words"


def test_a_handler_that_was_interrupted_has_failed_as_any_other(engine: Engine) -> None:
    """Rule 48: whatever the error says of itself, it was reported: it is not lost, and it is not late."""
    engine.define("f", step("a", max_attempts=3, base_delay=0))
    engine.at(0)
    run_id = engine.run("f")
    errors = [
        {"message": "cancelled", "type": "asyncio.CancelledError"},
        {"message": "lost", "type": "TimeoutError", "code": "LOST"},
        {"message": "released", "code": "CANCELLED"},
    ]
    answers = []
    for error in errors:
        engine.wait(1)
        answers.append(engine.fail(engine.take(), error))
    assert answers == ["retrying", "retrying", "failed"]
    assert [outcome for _, outcome in engine.outcomes(run_id, "a")] == ["failed"] * 3
    assert engine.task(run_id, "a").failures == 3
