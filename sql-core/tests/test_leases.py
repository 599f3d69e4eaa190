"""Leases, heartbeats and timeouts: how work is kept, and how it is given up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from .support.definitions import map_step, step
from .support.engine import Engine, reference, refused

LONG = {"timeout": 100_000}


@pytest.mark.parametrize("kind", ["single", "map"])
@pytest.mark.parametrize("noticed_by", ["claim", "maintain"])
def test_an_expired_lease_is_lost_and_claimable_again(engine: Engine, kind: str, noticed_by: str) -> None:
    """Rule 65: LOST, failures + 1, by the next claim or maintain."""
    engine.define("f", map_step("a", "run", **LONG) if kind == "map" else step("a", **LONG))
    engine.at(0)
    run_id = engine.run("f", ["x"])
    task = engine.take(lease=30)
    engine.at(29.9)
    engine.maintain()
    assert engine.claim(10) == []
    engine.at(400)
    if noticed_by == "maintain":
        engine.maintain()
        stored = engine.task(run_id, "a")
        assert (stored.status, stored.failures) == ("queued", 1)
        assert stored.lease_expires_at is None
        engine.wait(400)
    (again,) = engine.claim(10) or engine.claim(10)
    assert (again.attempt, again.failures, again.input) == (2, 1, task.input)
    assert engine.outcomes(run_id, "a") == [(1, "lost")]
    assert engine.attempts(run_id, "a")[0].error["code"] == "LOST"
    assert engine.complete(task) == "stale"
    assert engine.complete(again) == "completed"


def test_a_task_lost_again_and_again_fails(engine: Engine) -> None:
    """Rule 49: after max_attempts, with code LOST; the run ends."""
    engine.define("f", step("a", max_attempts=3, **LONG), step("b", "a"))
    engine.at(0)
    run_id = engine.run("f")
    for _ in range(3):
        engine.wait(1000)
        engine.take()
    engine.wait(1000)
    assert (engine.claim(10) or engine.claim(10)) == []
    engine.maintain()
    assert engine.status(run_id) == "failed"
    assert engine.stored_run(run_id).error["code"] == "LOST"
    assert engine.steps(run_id) == {"a": "failed", "b": "cancelled"}
    assert engine.outcomes(run_id, "a") == [(1, "lost"), (2, "lost"), (3, "lost")]


@pytest.mark.parametrize("mode", ["skip", "skip_cascade"])
def test_a_loss_that_spends_the_budget_skips_what_is_to_be_skipped(engine: Engine, mode: str) -> None:
    """Rule 49: when_exhausted decides here too, and dependents go on."""
    engine.define("f", step("a", max_attempts=1, when_exhausted=mode), step("b", "a"))
    engine.at(0)
    run_id = engine.run("f")
    engine.take()
    engine.wait(1000)
    engine.maintain()
    assert engine.step(run_id, "a").skip_reason == "handler_failed"
    assert engine.step(run_id, "b").status == ("running" if mode == "skip" else "skipped")
    assert engine.work_off() == (mode == "skip")
    assert engine.status(run_id) == "completed"


def test_lost_items_count_against_max_failures(engine: Engine) -> None:
    """Rule 46: a lost item is a failed item."""
    engine.define("f", map_step("m", "run", max_attempts=1, max_failures=1), step("end", "m"))
    engine.at(0)
    engine.run("f", [0, 1])
    first, _ = engine.claim(2)
    engine.complete(first, "a")
    engine.wait(1000)
    engine.maintain()
    assert engine.take("end").input == {"m": ["a", None]}


def test_failures_and_losses_share_a_budget(engine: Engine) -> None:
    """DESIGN 3.3: failed, lost and timed out alike."""
    engine.define("f", step("a", max_attempts=3, **LONG))
    engine.at(0)
    run_id = engine.run("f")
    assert engine.fail(engine.take()) == "retrying"
    engine.wait(1000)
    engine.take(lease=10)
    engine.wait(1000)
    task = (engine.claim(1) or engine.claim(1))[0]
    assert task.failures == 2
    assert engine.fail(task) == "failed"
    assert [outcome for _, outcome in engine.outcomes(run_id, "a")] == ["failed", "lost", "failed"]


def test_a_heartbeat_renews_the_lease(engine: Engine) -> None:
    """Rule 24: from now, by what it asks for."""
    engine.define("f", step("a", timeout=100_000), map_step("m", "run", timeout=100_000))
    engine.at(0)
    run_id = engine.run("f", [0])
    tasks = engine.claim(2, lease=30)
    now = engine.at(20)
    assert engine.heartbeat(*tasks, lease=50) == ["ok", "ok"]
    leases = [engine.task(run_id, slug).lease_expires_at for slug in "am"]
    assert leases == [now + timedelta(seconds=50)] * 2
    engine.at(69)
    engine.maintain()
    assert engine.claim(10) == []
    engine.at(71)
    engine.maintain()
    assert [engine.outcomes(run_id, slug) for slug in "am"] == [[(1, "lost")]] * 2


def test_a_heartbeat_answers_each_in_order(engine: Engine) -> None:
    """DESIGN 3.3: ok, cancel, stale; one cannot spoil another."""
    engine.define("f", step("a", timeout=1000))
    engine.at(0)
    for _ in range(3):
        engine.run("f")
    live, cancelled, done = engine.claim(3)
    engine.cancel(cancelled.run_id)
    engine.complete(done)
    unknown = live._replace(step_slug="nowhere")
    assert engine.heartbeat(done, cancelled, live)[:3] == ["stale", "cancel", "ok"]
    answers = engine.heartbeat(unknown, live, unknown)
    assert answers[1] == "ok"
    assert set(answers[::2]) <= {"stale", "unknown"}
    assert engine.heartbeat(live, live) == ["ok", "ok"]
    assert engine.heartbeat() == []


def test_a_heartbeat_after_the_loss_is_stale(engine: Engine) -> None:
    """Rule 24: somebody else may have it already."""
    engine.define("f", step("a", **LONG))
    engine.at(0)
    engine.run("f")
    task = engine.take()
    engine.at(1000)
    again = (engine.claim(1) or engine.claim(1))[0]
    assert engine.heartbeat(task, again) == ["stale", "ok"]


def test_a_heartbeat_says_how_long_it_holds(engine: Engine) -> None:
    """DESIGN 3.3: lease_expires_at."""
    engine.define("f", step("a"))
    now = engine.at(0)
    engine.run("f")
    task = engine.take()
    row = engine.row("select * from pgflow.heartbeat_step_tasks(%s, 40)", Jsonb([reference(task)]))
    assert (row.status, row.lease_expires_at) == ("ok", now + timedelta(seconds=40))


@pytest.mark.parametrize("kind", ["single", "map"])
def test_an_attempt_past_its_timeout_fails_though_heartbeats_continue(engine: Engine, kind: str) -> None:
    """Rule 67: TIMEOUT, back-off, budget."""
    engine.define(
        "f",
        (
            map_step("a", "run", timeout=100, max_attempts=2)
            if kind == "map"
            else step("a", timeout=100, max_attempts=2)
        ),
    )
    engine.at(0)
    run_id = engine.run("f", [0])
    task = engine.take()
    for second in range(20, 100, 20):
        engine.at(second)
        assert engine.heartbeat(task) == ["ok"]
        engine.maintain()
    engine.at(99)
    assert engine.heartbeat(task) == ["ok"]
    engine.at(101)
    engine.maintain()
    assert engine.outcomes(run_id, "a") == [(1, "timed_out")]
    assert engine.attempts(run_id, "a")[0].error["code"] == "TIMEOUT"
    assert engine.task(run_id, "a").failures == 1
    assert engine.complete(task) == "stale"
    engine.wait(1000)
    assert (engine.claim(1) or engine.claim(1))[0].attempt == 2
    engine.wait(1000)
    engine.maintain()
    assert engine.status(run_id) == "failed"


def test_an_attempt_in_time_is_not_timed_out(engine: Engine) -> None:
    """Rule 67: the timeout is of one attempt, not of the task."""
    engine.define("f", step("a", timeout=100))
    engine.at(0)
    run_id = engine.run("f")
    engine.fail(engine.take())
    engine.at(90)
    task = engine.take(lease=200)
    engine.at(150)
    engine.maintain()
    assert engine.task(run_id, "a").status == "running"
    assert engine.complete(task) == "completed"


def test_one_lost_task_leaves_the_rest_of_its_batch(engine: Engine) -> None:
    """Rule 65: leases are each task's own, however many were claimed together."""
    engine.define("f", step("a", timeout=10_000))
    engine.at(0)
    engine.run_many("f", list(range(10)))
    tasks = engine.claim(10, lease=30)
    engine.at(20)
    kept, dropped = tasks[::2], tasks[1::2]
    assert engine.heartbeat(*kept) == ["ok"] * 5
    engine.at(40)
    engine.maintain()
    again = engine.claim(10, worker="other") + engine.claim(10, worker="other")
    if not again:
        engine.wait(9)
        again = engine.claim(10, worker="other") + engine.claim(10, worker="other")
    assert sorted(t.run_id for t in again) == sorted(t.run_id for t in dropped)
    assert [engine.complete(t) for t in kept] == ["completed"] * 5


def test_a_cut_off_dispatcher_postpones_expiry(engine: Engine) -> None:
    """CONTRACT: after a pause of the database nothing is lost for one lease of grace."""
    engine.define("f", step("a", timeout=10_000))
    engine.at(0)
    run_id = engine.run("f")
    task = engine.take(lease=30)
    engine.at(500)
    engine.value("select pgflow.postpone_lease_expiry(30)")
    assert engine.claim(10) == []
    engine.maintain()
    assert engine.outcomes(run_id, "a") == []
    assert engine.heartbeat(task) == ["ok"]
    engine.at(600)
    engine.maintain()
    assert engine.outcomes(run_id, "a") == [(1, "lost")]


def test_a_heartbeat_with_a_bad_lease_is_refused(engine: Engine) -> None:
    """DESIGN 3: PF008 naming the argument."""
    engine.define("f", step("a"))
    engine.run("f")
    task = engine.take()
    for lease in (-1, 0, float("nan"), float("inf")):
        with refused("PF008", "lease_seconds"):
            engine.heartbeat(task, lease=lease)


@pytest.mark.parametrize("noticed_at", [40, 1000])
def test_what_an_attempt_died_of_does_not_depend_on_when_it_is_noticed(
    engine: Engine, noticed_at: float
) -> None:
    """Rule 65: a lease missed before the timeout is a loss: claimable at once, a late result is kept."""
    engine.define("f", step("a", timeout=60))
    engine.at(0)
    run_id = engine.run("f")
    task = engine.take(lease=30)
    engine.at(noticed_at)
    engine.maintain()
    assert engine.outcomes(run_id, "a") == [(1, "lost")]
    assert engine.complete(task) == "completed"


def test_one_bad_entry_spoils_no_heartbeat(engine: Engine) -> None:
    """Rule 24: whatever is wrong with one entry, the other tasks keep their leases."""
    engine.define("f", step("a"))
    engine.run("f")
    task = engine.take()
    good = reference(task)
    for bad in (5, None, {}, {"run_id": "x"}, good | {"task_index": "q"}, good | {"attempt_token": "t"}):
        rows = engine.rows("select * from pgflow.heartbeat_step_tasks(%s)", Jsonb([bad, good]))
        assert [row.status for row in rows] == ["stale", "ok"], bad
