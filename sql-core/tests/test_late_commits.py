"""Transactions that commit long after what they wrote was due, or long after others moved on."""

from __future__ import annotations

from collections.abc import Callable

from .support.definitions import map_step, step
from .support.engine import EPOCH, Engine, complete_report

Open = Callable[[], Engine]


def busy(engine: Engine, count: int) -> None:
    """Start and finish one run after the other, each in transactions of its own."""
    for _ in range(count):
        engine.run("f", [1])
        (task,) = engine.claim(1)
        assert engine.complete(task) == "completed"
        engine.work_off()


def test_a_start_that_commits_late_is_claimed(engine: Engine, open_engine: Open) -> None:
    """Rule 17: hundreds of transactions after it began, whatever claims remember of where they were."""
    user = open_engine()
    engine.define("f", step("a"))
    busy(engine, 5)
    with user.transaction():
        early = user.run("f")
        busy(engine, 150)
        later = user.run("f")
    assert {task.run_id for task in engine.claim(10)} == {early, later}


def test_a_start_in_a_savepoint_that_commits_late_is_claimed(engine: Engine, open_engine: Open) -> None:
    """Rule 17: subtransactions have ids of their own."""
    user = open_engine()
    engine.define("f", step("a"), map_step("m", "run"))
    with user.transaction():
        with user.transaction():
            kept = user.run("f", [1, 2])
        with user.connection.transaction(force_rollback=True):
            user.run("f", [1])
        busy(engine, 100)
    assert [task.run_id for task in engine.claim(10)] == [kept] * 3


def test_a_claim_that_rolls_back_late_gives_its_tasks_back(engine: Engine, open_engine: Open) -> None:
    """Rule 71: entries that others skipped over are found again."""
    user = open_engine()
    engine.define("f", step("a"))
    held = [engine.run("f") for _ in range(3)]
    with user.connection.transaction(force_rollback=True):
        assert [task.run_id for task in user.claim(3)] == held
        busy(engine, 150)
    assert [task.run_id for task in engine.claim(10)] == held


def test_a_claim_of_items_that_rolls_back_late_gives_them_back(engine: Engine, open_engine: Open) -> None:
    """Rule 71: the mark stops within a map too, at the first item that somebody may still give back."""
    user = open_engine()
    engine.define("f", map_step("m", "run"))
    engine.run("f", list(range(4000)))
    with user.connection.transaction(force_rollback=True):
        held = user.claim(10)
        assert len([task for _ in range(7) for task in engine.claim(500)]) == 3500
    found = [task for _ in range(2) for task in engine.claim(500)]
    assert [task.task_index for task in found[:10]] == [task.task_index for task in held]
    assert len(found) == 500


def test_a_completion_that_commits_late_starts_its_dependents(engine: Engine, open_engine: Open) -> None:
    """Rule 30: what it made ready is claimed."""
    user = open_engine()
    engine.define("g", step("a", priority=50), step("b", "a"))
    engine.define("f", step("a"))
    run_id = engine.run("g")
    task = engine.take("a")
    with user.transaction():
        user.report([complete_report(task, "A")])
        busy(engine, 150)
    (after,) = engine.claim(10)
    assert (after.run_id, after.step_slug, after.input) == (run_id, "b", {"a": "A"})


def test_a_delay_that_is_over_before_its_transaction_commits_is_noticed(
    engine: Engine, open_engine: Open
) -> None:
    """Rule 16: by maintain at the latest, though claims have looked past that moment."""
    user = open_engine()
    engine.define("f", step("a", timeout=100_000))
    for session in (engine, user):
        session.at(0)
    with user.transaction():
        late = user.run("f", start_at=EPOCH.replace(second=1))
        for second in range(10, 200, 5):
            engine.at(second)
            busy(engine, 1)
            engine.maintain()
    engine.maintain()
    assert [task.run_id for task in engine.claim(10)] == [late]


def test_a_lease_that_is_over_before_its_transaction_commits_is_noticed(
    engine: Engine, open_engine: Open
) -> None:
    """Rule 65: a claim in a long transaction, whose worker then died."""
    user = open_engine()
    engine.define("f", step("a", timeout=100_000))
    for session in (engine, user):
        session.at(0)
    run_id = engine.run("f")
    with user.transaction():
        assert len(user.claim(1, lease=5)) == 1
        for second in range(10, 200, 5):
            engine.at(second)
            busy(engine, 1)
            engine.maintain()
    engine.maintain()
    assert engine.outcomes(run_id, "a") == [(1, "lost")]
    assert len(engine.claim(10)) == 1


def test_the_queue_survives_a_clock_that_goes_back(engine: Engine) -> None:
    """Rule 69: a database restored or a clock corrected: what is due by the present clock is found."""
    engine.define("f", step("a", base_delay=5, jitter=0, timeout=100_000))
    engine.at(1_000_000)
    busy(engine, 2)
    engine.maintain()
    engine.at(0)
    run_id = engine.run("f")
    assert engine.fail(engine.take()) == "retrying"
    engine.at(6)
    (again,) = engine.claim(1) or engine.claim(1)
    assert (again.run_id, again.attempt) == (run_id, 2)
