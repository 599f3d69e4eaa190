"""A queue's low-water mark from the future: the dump was restored where transaction ids are lower."""

from __future__ import annotations

import pytest

from .support.definitions import map_step, step
from .support.engine import Engine

FUTURE = 1 << 40


@pytest.fixture
def restored(engine: Engine) -> Engine:
    """A database with tasks ready and with a mark that no transaction id will reach."""
    engine.at(0)
    engine.define("f", step("a"), map_step("m", "run"))
    engine.run("f", [1, 2])
    engine.rows("update pgflow.queues set low_xid = %s, low_seq = 70000", FUTURE)
    return engine


def mark(engine: Engine) -> int:
    return engine.value("select low_xid from pgflow.queues where executor = 'local'")


def test_a_claim_finds_what_lies_below_a_mark_from_the_future(restored: Engine) -> None:
    """Rule 71: tasks of before the restore, and of after it; the mark is set right on the way."""
    later = restored.run("f", [1, 2])
    assert len(restored.claim(100)) == 6
    assert mark(restored) < FUTURE
    restored.run("f", [])
    assert {task.run_id for task in restored.claim(100)} != {later}
    assert restored.violations() == []


def test_maintenance_takes_a_mark_from_the_future_away(restored: Engine) -> None:
    """Rule 70: before the ids come so far."""
    restored.maintain()
    assert mark(restored) == 0
    assert len(restored.claim(100)) == 3


def test_whoever_waits_is_told_of_tasks_below_a_mark_from_the_future(restored: Engine) -> None:
    """Rule 16: next_wake_at says now, and a start rings."""
    assert restored.next_wake_at("local") == restored.at(0)
    restored.claim(100)
    restored.rows("update pgflow.queues set low_xid = %s", FUTURE)
    restored.rows("listen pgflow_ready")
    restored.run("f", [])
    assert [each.payload for each in restored.connection.notifies(timeout=20, stop_after=1)] == ["local"]


def test_the_backlog_counts_below_a_mark_from_the_future(restored: Engine) -> None:
    restored.at(5)
    row = restored.row("select * from pgflow.backlog()")
    assert (row.executor, row.ready_tasks, row.oldest_seconds) == ("local", 3, 5)
