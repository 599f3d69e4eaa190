"""Launched attempts that are looked at and cancelled by whichever dispatcher comes first."""

from __future__ import annotations

import pytest

from .support import crowd
from .support.definitions import map_step, step
from .support.engine import Engine
from .support.watched import record


def actions(engine: Engine, *external_ids: str, interval: float = 15) -> list[str]:
    return [row.action for row in engine.due(interval, *external_ids)]


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

    def test_a_look_reads_only_what_is_due(self, engine: Engine) -> None:
        """Rule 91: however many attempts are open; where some are named, each open one is read once."""
        engine.define("f", map_step("m", "run"))
        engine.at(0)
        engine.run("f", list(range(300)))
        (name, *_) = [task.external_id for task in engine.claim(300, mode="launch")]
        assert crowd.rows_fetched(engine, engine.due, ["launches"]) == 0
        assert crowd.rows_fetched(engine, lambda: engine.due(15, name), ["launches"]) < 310


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
