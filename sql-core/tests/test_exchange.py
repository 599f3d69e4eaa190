"""`exchange_step_tasks`: report, claim and next wake-up in one round trip."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from .support.definitions import chain, map_step, step
from .support.engine import EPOCH, Engine, complete_report, fail_report, refused


def kinds(rows: list[object]) -> list[str]:
    return [row.kind for row in rows]  # type: ignore[attr-defined]


def test_an_exchange_reports_claims_and_says_when_to_wake(engine: Engine) -> None:
    """DESIGN 3.3: the rows of all three, reports in order."""
    engine.define("f", step("a", handler="m:f"), step("b", "a"), step("later", start_delay=60))
    engine.at(0)
    first, second = engine.run("f"), engine.run("f")
    rows = engine.exchange((), 2, worker="w")
    tasks = [row for row in rows if row.kind == "task"]
    assert [(t.run_id, t.step_slug, t.attempt, t.handler) for t in tasks] == [
        (first, "a", 1, "m:f"), (second, "a", 1, "m:f"),
    ]  # fmt: skip
    assert all(t.attempt_token and t.input == {} and t.lease_expires_at for t in tasks)
    assert engine.task(first, "a").worker_id == "w"
    rows = engine.exchange(
        [complete_report(tasks[0], 1), {"bad": 1}, fail_report(tasks[1], retryable=False)], 10
    )
    reports = [row for row in rows if row.kind == "report"]
    assert [row.status for row in sorted(reports, key=lambda row: row.ordinal)] == [
        "completed",
        "invalid",
        "failed",
    ]
    claimed = [row for row in rows if row.kind == "task"]
    assert [(t.run_id, t.step_slug, t.input) for t in claimed] == [(first, "b", {"a": 1})]
    (wake,) = (row.wake_at for row in rows if row.kind == "wake")
    assert wake <= EPOCH + timedelta(seconds=60)


def test_ordinals_of_reports_count_like_those_of_report_step_tasks(engine: Engine) -> None:
    """DESIGN 3.3: one convention."""
    engine.define("f", step("a"))
    engine.run_many("f", [1, 2, 3, 4])
    tasks = engine.claim(4)
    alone = engine.rows("select ordinal from pgflow.report_step_tasks(jsonb_build_array(1, 2))")
    rows = engine.exchange([complete_report(task) for task in tasks], 0)
    reports = sorted(row.ordinal for row in rows if row.kind == "report")
    assert reports[:2] == [row.ordinal for row in alone]
    assert len(reports) == 4


def test_an_exchange_of_nothing_claims_nothing(engine: Engine) -> None:
    """DESIGN 3.3: no reports, no capacity: a wake-up at most."""
    engine.define("f", step("a"))
    engine.run("f")
    assert set(kinds(engine.exchange((), 0))) <= {"wake"}
    assert len(engine.claim(1)) == 1


def test_an_exchange_works_off_a_chain(engine: Engine) -> None:
    """DESIGN 3.3: what a report makes ready is claimed in the same call."""
    engine.define("f", *chain(*(f"s{i}" for i in range(20))))
    run_id = engine.run("f")
    rows = engine.exchange((), 5)
    trips = 0
    while tasks := [row for row in rows if row.kind == "task"]:
        rows = engine.exchange([complete_report(task) for task in tasks], 5)
        trips += 1
    assert trips == 20
    assert engine.status(run_id) == "completed"


def test_an_exchange_claims_by_mode_executor_and_inputs(engine: Engine) -> None:
    """DESIGN 3.3: with the arguments of claim_step_tasks."""
    engine.define("f", step("a", executor="x", launch_timeout=77), step("b"))
    now = engine.at(0)
    run_id = engine.run("f")
    rows = engine.exchange((), 10, executor="x", mode="launch", inputs="none")
    (task,) = (row for row in rows if row.kind == "task")
    assert (task.step_slug, task.input) == ("a", None)
    assert task.lease_expires_at == now + timedelta(seconds=77)
    assert engine.task(run_id, "a").status == "claimed"
    for wrong in ({"mode": "x"}, {"inputs": "x"}):
        with refused("PF008", next(iter(wrong))):
            engine.exchange((), 1, **wrong)


def test_an_exchange_never_loses_reports_for_a_bad_one(engine: Engine) -> None:
    """Rule 89: unknown and stale ones are answered, the rest applied, and the claim still happens."""
    engine.define("f", map_step("m", "run"))
    engine.run("f", list(range(6)))
    tasks = engine.claim(3)
    gone = complete_report(tasks[0]) | {"task_index": 99}
    rows = engine.exchange([gone, complete_report(tasks[1]), complete_report(tasks[1])], 10)
    reports = sorted((row for row in rows if row.kind == "report"), key=lambda row: row.ordinal)
    assert [row.status for row in reports] == ["unknown", "completed", "duplicate"]
    assert kinds(rows).count("task") == 3


def test_the_wake_up_is_the_one_next_wake_at_gives(engine: Engine) -> None:
    """DESIGN 3.3: for that executor."""
    engine.define("f", step("a", start_delay=30), step("x", executor="x", start_delay=5))
    engine.at(0)
    engine.run("f")
    (row,) = (row for row in engine.exchange((), 1) if row.kind == "wake")
    assert row.wake_at == engine.next_wake_at("local") == EPOCH + timedelta(seconds=30)


def test_the_wake_up_is_soon_while_work_lies_behind_what_is_held(
    engine: Engine, open_engine: Callable[[], Engine]
) -> None:
    """Rule 87: who polls by it meets the others' work, though an open transaction holds a whole map."""
    other = open_engine()
    engine.define("f", map_step("m", "run"))
    engine.define("g", step("a"))
    large = engine.run("f", list(range(1200)))
    behind = engine.run("g")
    now = engine.at(0)
    with other.transaction():
        other.cancel(large)
        rows = engine.exchange((), 10)
        assert kinds(rows) == ["wake"]
        assert rows[0].wake_at == now + timedelta(seconds=1)
        rows = engine.exchange((), 10)
        assert [row.run_id for row in rows if row.kind == "task"] == [behind]
