"""What becomes of a launched attempt that a dispatcher has seen."""

from __future__ import annotations

from typing import Any

from .support.definitions import map_step, step
from .support.engine import Engine
from .support.watched import address, record, seen

BAD_SHAPES: tuple[Any, ...] = (
    5,
    {"run_id": "?"},
    {"phase": "asleep"},
    {"phase": "running", "attempt": None},
    {"phase": "exited_ok", "started": "yes"},
    {"phase": "exited_ok", "retryable": 1},
)


def test_signs_of_life_change_nothing(remote: Engine) -> None:
    """Rule 93."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    for phase in ("pending", "running", "unknown"):
        assert remote.observe(seen(task, phase)) == ["alive"]
    assert remote.task(run_id, "a").status == "claimed"


def test_one_that_exited_well_without_a_report_fails_after_thirty_seconds(remote: Engine) -> None:
    """Rule 93: NO_REPORT, an attempt used up."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    assert remote.observe(seen(task, "exited_ok")) == ["over"]
    remote.at(30)
    assert remote.due(100)[0].action == "observe"
    assert remote.observe(seen(task, "exited_ok", log_tail="last words")) == ["retrying"]
    (attempt,) = remote.attempts(run_id, "a")
    assert (attempt.outcome, attempt.error["code"]) == ("failed", "NO_REPORT")
    assert remote.task(run_id, "a").failures == 1
    logs = remote.rows("select log_tail from pgflow.task_logs where run_id = %s", run_id)
    assert [row.log_tail for row in logs] == ["last words"]
    assert remote.complete(task) == "stale"


def test_its_report_within_that_time_is_taken(remote: Engine) -> None:
    """Rule 93: work done is work kept."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    remote.observe(seen(task, "exited_ok"))
    remote.at(29)
    assert remote.complete(task) == "completed"
    remote.at(60)
    assert remote.observe(seen(task, "exited_ok")) == ["stale"]
    assert remote.status(run_id) == "completed"


def test_one_seen_alive_again_gets_its_whole_time_anew(remote: Engine) -> None:
    """Rule 93: a reading of a cache that lags behind."""
    remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    remote.observe(seen(task, "not_found"))
    remote.at(29)
    assert remote.observe(seen(task, "running")) == ["alive"]
    remote.at(31)
    assert remote.observe(seen(task, "not_found")) == ["over"]
    remote.at(60)
    assert remote.observe(seen(task, "not_found")) == ["over"]
    remote.at(61)
    assert remote.observe(seen(task, "not_found")) == ["retrying"]


def test_one_that_exited_with_an_error_fails_with_its_words(remote: Engine) -> None:
    """Rule 93: after the five seconds that a report may be on its way."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    crash = seen(task, "exited_error", code="OOM", detail="killed at 512 MiB", log_tail="...")
    assert remote.observe(crash) == ["over"]
    remote.at(5)
    assert [row.action for row in remote.due()] == ["observe"]
    assert remote.observe(crash) == ["retrying"]
    (attempt,) = remote.attempts(run_id, "a")
    assert (attempt.outcome, attempt.error["code"]) == ("failed", "OOM")
    assert "killed at 512 MiB" in attempt.error["message"]


def test_a_failure_said_to_be_for_good_is_not_tried_again(remote: Engine) -> None:
    """Rule 93: retryable false."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    crash = seen(task, "exited_error", code="LICENCE", retryable=False)
    remote.observe(crash)
    remote.at(5)
    assert remote.observe(crash) == ["failed"]
    assert remote.stored_run(run_id).error["code"] == "LICENCE"


def test_one_that_is_gone_is_lost(remote: Engine) -> None:
    """Rule 93: as one whose lease ran out: claimable at once, and its late result is taken."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    remote.observe(seen(task, "not_found"))
    remote.at(30)
    assert remote.observe(seen(task, "not_found")) == ["retrying"]
    assert remote.outcomes(run_id, "a") == [(1, "lost")]
    assert remote.task(run_id, "a").failures == 1
    assert remote.complete(task) == "completed"


def test_one_that_never_started_costs_a_launch_and_no_attempt(remote: Engine) -> None:
    """Rules 66 and 93: infrastructure failed, not the handler."""
    run_id = remote.run("f")
    for number in range(1, 6):
        task = remote.claim(1, mode="launch")[0]
        record(remote, task)
        no_image = seen(task, "exited_error", code="IMAGE", detail="no such image", started=False)
        assert remote.observe(no_image) == ["retrying" if number < 5 else "failed"]
        remote.wait(400)
        remote.maintain()
    assert remote.outcomes(run_id, "a") == [(n, "launch_failed") for n in range(1, 6)]
    assert remote.task(run_id, "a").failures == 0
    assert remote.stored_run(run_id).error["code"] == "IMAGE"


def test_one_not_found_before_its_launch_is_recorded_is_given_time(remote: Engine) -> None:
    """Rule 93: another dispatcher may be about to launch it."""
    engine = remote
    engine.define("g", step("a", launch_timeout=1000))
    run_id = engine.run("g")
    task = engine.take(mode="launch")
    engine.observe(seen(task, "not_found"))
    engine.at(119)
    assert engine.observe(seen(task, "not_found")) == ["over"]
    engine.at(120)
    assert engine.observe(seen(task, "not_found")) == ["retrying"]
    assert engine.outcomes(run_id, "a") == [(1, "launch_failed")]


def test_one_that_says_it_timed_out_is_timed_out(remote: Engine) -> None:
    """Rule 67: whoever watches the time."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    remote.observe(seen(task, "exited_error", code="TIMEOUT"))
    remote.at(5)
    remote.observe(seen(task, "exited_error", code="TIMEOUT"))
    assert remote.outcomes(run_id, "a") == [(1, "timed_out")]


def test_two_dispatchers_that_saw_the_same_end_it_once(remote: Engine) -> None:
    """Rule 93: fenced by the attempt's number."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    remote.observe(seen(task, "not_found"))
    remote.at(30)
    twice = remote.observe(seen(task, "not_found"), seen(task, "not_found"))
    assert twice == ["retrying", "stale"]
    again = remote.take(mode="launch")
    assert remote.observe(seen(task, "not_found")) == ["stale"]
    assert (again.attempt, remote.task(run_id, "a").failures) == (2, 1)


def test_an_observation_of_a_bad_shape_costs_the_others_nothing(engine: Engine) -> None:
    """Rule 93: `invalid` for it alone."""
    engine.define("f", map_step("m", "run"))
    engine.run("f", list(range(7)))
    *bad, good = engine.claim(7, mode="launch")
    shapes = [
        shape if not isinstance(shape, dict) else address(task) | shape
        for task, shape in zip(bad, BAD_SHAPES, strict=True)
    ]
    assert engine.observe(*shapes, seen(good, "running")) == [*["invalid"] * 6, "alive"]
