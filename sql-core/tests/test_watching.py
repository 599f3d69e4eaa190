"""Launched attempts that are looked at, cancelled and ended by whichever dispatcher comes first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from .support.definitions import map_step, step
from .support.engine import Engine, reference

BAD_SHAPES: tuple[Any, ...] = (
    5,
    {"run_id": "?"},
    {"phase": "asleep"},
    {"phase": "running", "attempt": None},
    {"phase": "exited_ok", "started": "yes"},
    {"phase": "exited_ok", "retryable": 1},
)


@pytest.fixture
def remote(engine: Engine) -> Engine:
    """An engine at second 0 with the flow `f` of one step `a`, launch_timeout 100 s, timeout 500 s."""
    engine.define("f", step("a", launch_timeout=100, timeout=500, max_attempts=2, base_delay=0))
    engine.at(0)
    return engine


def address(task: Any) -> dict[str, object]:
    return {
        "run_id": str(task.run_id),
        "step_slug": task.step_slug,
        "task_index": task.task_index,
        "attempt": task.attempt,
    }


def seen(task: Any, phase: str, **more: object) -> dict[str, object]:
    return address(task) | {"phase": phase} | more


def record(engine: Engine, task: Any, outcome: str = "accepted", **more: object) -> str:
    (status,) = engine.launches(reference(task) | {"attempt": task.attempt, "outcome": outcome} | more)
    return status


def actions(engine: Engine, *external_ids: str, interval: float = 15) -> list[str]:
    return [row.action for row in engine.due(interval, *external_ids)]


def paused(engine: Engine, executor: str = "local") -> Any:
    return engine.row("select * from pgflow.lane_state(%s, 'somebody else')", executor)


class TestDue:
    """Which attempts a dispatcher is told to look at."""

    def test_every_open_attempt_is_due_again_and_again_for_one_caller_each_time(self, engine: Engine) -> None:
        """Rule 91: nothing in the memory of a dispatcher matters."""
        engine.define("f", step("a"), map_step("m", "run"))
        engine.at(0)
        engine.run("f", [1, 2])
        tasks = {t.external_id: t for t in engine.claim(3, mode="launch")}
        first = tasks[next(iter(tasks))]
        assert record(engine, first, handle={"job": 7}) == "accepted"
        assert engine.due() == []
        for second in (15, 30, 45):
            engine.at(second)
            found = engine.due()
            assert {row.external_id for row in found} == set(tasks)
            assert {row.action for row in found} == {"observe"}
            assert [row.handle for row in found if row.external_id == first.external_id] == [{"job": 7}]
            assert {row.attempt for row in found} == {1}
            assert engine.due() == []
        assert engine.due(executor="other") == []

    def test_a_named_attempt_is_due_at_once(self, engine: Engine) -> None:
        """Rule 91: an event of the remote place is followed without waiting."""
        engine.define("f", map_step("m", "run"))
        engine.at(0)
        engine.run("f", [1, 2])
        tasks = engine.claim(2, mode="launch")
        (found,) = engine.due(15, tasks[1].external_id, "pgf-unknown-1")
        assert found.external_id == tasks[1].external_id

    def test_an_attempt_that_reported_is_not_due_any_more(self, engine: Engine) -> None:
        """Rule 91: neither to be observed nor to be cancelled."""
        engine.define("f", map_step("m", "run", base_delay=1000))
        engine.at(0)
        engine.run("f", [1, 2, 3])
        completed, failed, released = engine.claim(3, mode="launch")
        engine.begin(completed)
        engine.complete(completed)
        engine.fail(failed)
        engine.release(released, delay=1000)
        engine.wait(20)
        assert engine.due() == []
        assert engine.value("select count(*) from pgflow.launches") == 0

    def test_tasks_claimed_to_be_run_by_the_claimer_are_none_of_these(self, engine: Engine) -> None:
        engine.define("f", step("a"))
        engine.at(0)
        engine.run("f")
        engine.take()
        engine.wait(20)
        assert engine.due() == []

    def test_a_call_is_bounded(self, engine: Engine) -> None:
        """Rule 91: pages, the longest overdue first."""
        engine.define("f", map_step("m", "run"))
        engine.at(0)
        engine.run("f", list(range(5)))
        engine.claim(5, mode="launch")
        engine.wait(20)
        pages = [engine.rows("select * from pgflow.due_launches('local', 2, 15)") for _ in range(4)]
        assert [len(page) for page in pages] == [2, 2, 1, 0]


class TestCancelling:
    """What ended here but may go on there."""

    def test_an_attempt_of_a_cancelled_run_is_cancelled_at_once_and_after_its_launch_deadline(
        self, remote: Engine
    ) -> None:
        """Rule 92: the first cancel may overtake the launch."""
        run_id = remote.run("f")
        task = remote.take(mode="launch")
        record(remote, task, handle={"job": 7})
        remote.cancel(run_id)
        (found,) = remote.due()
        assert (found.action, found.external_id, found.handle) == ("cancel", task.external_id, {"job": 7})
        remote.at(99)
        assert remote.due() == []
        remote.at(100)
        assert actions(remote) == ["cancel"]
        remote.at(1000)
        assert remote.due() == []

    def test_a_launch_that_goes_through_after_the_cancel_is_cancelled_again(self, remote: Engine) -> None:
        """Rule 92: with the handle that only now is known."""
        run_id = remote.run("f")
        task = remote.take(mode="launch")
        remote.cancel(run_id)
        assert actions(remote) == ["cancel"]
        assert record(remote, task, handle={"job": 7}) == "stale"
        (found,) = remote.due()
        assert (found.action, found.handle) == ("cancel", {"job": 7})

    @pytest.mark.parametrize(("started", "outcome"), [(True, "timed_out"), (False, "launch_failed")])
    def test_an_attempt_past_its_deadline_is_cancelled(
        self, remote: Engine, started: bool, outcome: str
    ) -> None:
        """Rule 92: whoever launched it."""
        run_id = remote.run("f")
        task = remote.take(mode="launch")
        if started:
            remote.begin(task)
        remote.at(600)
        remote.maintain()
        assert remote.outcomes(run_id, "a") == [(1, outcome)]
        assert actions(remote) == ["cancel"]

    def test_an_attempt_that_stopped_beating_is_cancelled(self, engine: Engine) -> None:
        """Rule 92: its successor must not meet it."""
        engine.define("f", step("a", heartbeat_timeout=10, timeout=500))
        engine.at(0)
        run_id = engine.run("f")
        engine.begin(engine.take(mode="launch"))
        engine.at(11)
        engine.maintain()
        assert engine.outcomes(run_id, "a") == [(1, "lost")]
        assert actions(engine) == ["cancel"]

    def test_a_lost_attempt_that_reports_after_all_is_not_cancelled(self, engine: Engine) -> None:
        """Rules 29 and 92: it has ended by itself."""
        engine.define("f", step("a", heartbeat_timeout=10, timeout=500))
        engine.at(0)
        run_id = engine.run("f")
        task = engine.take(mode="launch")
        engine.begin(task)
        engine.at(11)
        engine.maintain()
        assert engine.complete(task) == "completed"
        assert engine.outcomes(run_id, "a") == [(1, "late")]
        assert engine.due() == []

    def test_a_rejected_launch_is_not_cancelled(self, remote: Engine) -> None:
        """Rule 92: it surely did not start."""
        remote.run("f")
        record(remote, remote.take(mode="launch"), "rejected", kind="transient")
        remote.wait(500)
        assert remote.due() == []

    def test_pruned_runs_leave_nothing_to_cancel(self, remote: Engine) -> None:
        """Rule 64."""
        run_id = remote.run("f")
        remote.take(mode="launch")
        remote.cancel(run_id)
        remote.wait(1000)
        assert remote.value("select pgflow.prune_runs('1 second', 10)") == 1
        assert remote.value("select count(*) from pgflow.launches") == 0


class TestObserving:
    """What becomes of an attempt that was seen."""

    def test_signs_of_life_change_nothing(self, remote: Engine) -> None:
        """Rule 93."""
        run_id = remote.run("f")
        task = remote.take(mode="launch")
        for phase in ("pending", "running", "unknown"):
            assert remote.observe(seen(task, phase)) == ["alive"]
        assert remote.task(run_id, "a").status == "claimed"

    def test_one_that_exited_well_without_a_report_fails_after_thirty_seconds(self, remote: Engine) -> None:
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

    def test_its_report_within_that_time_is_taken(self, remote: Engine) -> None:
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

    def test_one_seen_alive_again_gets_its_whole_time_anew(self, remote: Engine) -> None:
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

    def test_one_that_exited_with_an_error_fails_with_its_words(self, remote: Engine) -> None:
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

    def test_a_failure_said_to_be_for_good_is_not_tried_again(self, remote: Engine) -> None:
        """Rule 93: retryable false."""
        run_id = remote.run("f")
        task = remote.take(mode="launch")
        remote.begin(task)
        crash = seen(task, "exited_error", code="LICENCE", retryable=False)
        remote.observe(crash)
        remote.at(5)
        assert remote.observe(crash) == ["failed"]
        assert remote.stored_run(run_id).error["code"] == "LICENCE"

    def test_one_that_is_gone_is_lost(self, remote: Engine) -> None:
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

    def test_one_that_never_started_costs_a_launch_and_no_attempt(self, remote: Engine) -> None:
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

    def test_one_not_found_before_its_launch_is_recorded_is_given_time(self, remote: Engine) -> None:
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

    def test_one_that_says_it_timed_out_is_timed_out(self, remote: Engine) -> None:
        """Rule 67: whoever watches the time."""
        run_id = remote.run("f")
        task = remote.take(mode="launch")
        remote.begin(task)
        remote.observe(seen(task, "exited_error", code="TIMEOUT"))
        remote.at(5)
        remote.observe(seen(task, "exited_error", code="TIMEOUT"))
        assert remote.outcomes(run_id, "a") == [(1, "timed_out")]

    def test_two_dispatchers_that_saw_the_same_end_it_once(self, remote: Engine) -> None:
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

    def test_an_observation_of_a_bad_shape_costs_the_others_nothing(self, engine: Engine) -> None:
        """Rule 93: `invalid` for it alone."""
        engine.define("f", map_step("m", "run"))
        engine.run("f", list(range(7)))
        *bad, good = engine.claim(7, mode="launch")
        shapes = [
            shape if not isinstance(shape, dict) else address(task) | shape
            for task, shape in zip(bad, BAD_SHAPES, strict=True)
        ]
        assert engine.observe(*shapes, seen(good, "running")) == [*["invalid"] * 6, "alive"]


class TestRefusals:
    """An executor whose operator must act."""

    def test_it_is_paused_and_probed_at_growing_distances(self, remote: Engine) -> None:
        """Rule 94: one launch after 30 s, then after twice as long, 10 minutes at most."""
        engine = remote
        run_ids = [engine.run("f") for _ in range(3)]
        (task,) = engine.claim(1, mode="launch")
        for delay in (30, 60, 120, 240, 480, 600, 600):
            assert record(engine, task, "rejected", kind="operator", reason="403") == "requeued"
            state = paused(engine)
            now = engine.wait(0)
            assert (state.pause_reason, state.probe_at) == ("403", now + timedelta(seconds=delay))
            engine.wait(delay - 1)
            assert engine.claim(10, mode="launch") == []
            engine.wait(1)
            assert engine.next_wake_at() == engine.wait(0)
            (task,) = engine.claim(10, mode="launch")
            assert engine.claim(10, mode="launch") == []
        assert record(engine, task) == "accepted"
        assert paused(engine).paused_at is None
        assert len(engine.claim(10, mode="launch")) == 2
        for run_id in run_ids:
            stored = engine.task(run_id, "a")
            assert (stored.failures, stored.launch_failures) == (0, 0)

    def test_a_probe_that_nobody_answers_for_is_followed_by_another(self, remote: Engine) -> None:
        """Rule 94: its dispatcher may have died."""
        [remote.run("f") for _ in range(3)]
        record(remote, remote.take(mode="launch"), "rejected", kind="operator")
        remote.wait(30)
        assert len(remote.claim(10, mode="launch")) == 1
        remote.wait(59)
        assert remote.claim(10, mode="launch") == []
        remote.wait(1)
        assert len(remote.claim(10, mode="launch")) == 1

    @pytest.mark.parametrize("kind", ["throttled", "transient", "permanent"])
    def test_any_other_answer_shows_that_it_is_mended(self, remote: Engine, kind: str) -> None:
        """Rule 94: it got as far as that."""
        [remote.run("f") for _ in range(3)]
        record(remote, remote.take(mode="launch"), "rejected", kind="operator")
        remote.wait(30)
        (probe,) = remote.claim(10, mode="launch")
        record(remote, probe, "rejected", kind=kind)
        assert paused(remote).paused_at is None

    def test_launches_that_were_under_way_neither_lengthen_nor_end_the_pause(self, engine: Engine) -> None:
        """Rule 94: they say nothing of what has been since."""
        engine.define("f", map_step("m", "run"))
        now = engine.at(0)
        engine.run("f", [1, 2, 3])
        first, second, third = engine.claim(3, mode="launch")
        record(engine, first, "rejected", kind="operator")
        engine.at(1)
        record(engine, second, "rejected", kind="operator")
        record(engine, third)
        assert paused(engine).probe_at == now + timedelta(seconds=30)

    def test_a_pause_that_somebody_asked_for_is_theirs_to_end(self, remote: Engine) -> None:
        """Rule 94: no probe, whatever launches say; it takes the place of a pause by itself."""
        [remote.run("f") for _ in range(3)]
        first, second = remote.claim(2, mode="launch")
        record(remote, first, "rejected", kind="operator", reason="403")
        assert remote.value("select pgflow.pause_executor('local', 'moving house')") == "paused"
        record(remote, second, "rejected", kind="operator", reason="403")
        assert (paused(remote).pause_reason, paused(remote).probe_at) == ("moving house", None)
        remote.wait(5000)
        assert remote.claim(10, mode="launch") == []
        assert remote.value("select pgflow.resume_executor('local')") == "resumed"
        assert len(remote.claim(10, mode="launch")) == 3

    def test_other_executors_go_on(self, engine: Engine) -> None:
        """Rule 94: the pause is that of one executor."""
        engine.define("f", step("a", executor="edge"), step("b"))
        engine.at(0)
        engine.run("f")
        record(engine, engine.take("a", executor="edge", mode="launch"), "rejected", kind="operator")
        assert engine.take("b").step_slug == "b"


def test_a_lane_learns_how_much_the_others_launched(engine: Engine) -> None:
    """Rule 91: only what is still open counts."""
    engine.define("f", map_step("m", "run", base_delay=1000))
    engine.at(0)
    engine.run("f", list(range(6)))
    mine = engine.claim(2, mode="launch", worker="me")
    theirs = engine.claim(3, mode="launch", worker="them")
    count = "select other_launches from pgflow.lane_state('local', %s)"
    assert [engine.value(count, worker) for worker in ("me", "them", "new")] == [3, 2, 5]
    engine.complete(theirs[0])
    engine.fail(theirs[1])
    engine.release(mine[0], delay=1000)
    assert [engine.value(count, worker) for worker in ("me", "them", "new")] == [1, 1, 2]
