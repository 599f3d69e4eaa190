"""Sessions that start runs at the same instant and need the same new rows for it: no deadlock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .support.definitions import step
from .support.engine import Engine
from .support.sessions import together

Open = Callable[[], Engine]


def test_the_same_idempotency_keys_in_opposite_order(engine: Engine, open_engine: Open) -> None:
    """Rule 13: each key has one run, whoever made it; runs queue in the order of their inputs."""
    other = open_engine()
    engine.define("f", step("a"))
    for turn in range(3):
        keys = [f"{turn} {number}" for number in range(1500)]
        there, back = together(
            partial(engine.run_many, "f", range(1500), idempotency_keys=keys),
            partial(other.run_many, "f", range(1500), idempotency_keys=keys[::-1]),
        )
        assert [row.run_id for row in there] == [row.run_id for row in reversed(back)]
        assert [row.created for row in there] == [not row.created for row in reversed(back)]
        (order,) = {tuple(row.run_id for row in rows) for rows in (there, back) if rows[0].created}
        assert tuple(task.run_id for task in engine.claim(1500)) == order


def test_the_first_use_of_a_priority_waits_for_nobody(engine: Engine, open_engine: Open) -> None:
    """Rule 20: runs that open transactions start with new priorities, in any order, are taken."""
    other = open_engine()
    engine.define("f", step("a"))
    with engine.transaction(), other.transaction():
        other.rows("set local lock_timeout = '5s'")
        first = [engine.run("f", priority=5), other.run("f", priority=7)]
        second = [engine.run("f", priority=7), other.run("f", priority=5)]
    last = engine.run("f", priority=7)
    assert {task.run_id for task in engine.claim(10)} == {*first, *second, last}
    assert engine.stored_run(second[0]).priority == 7
    engine.run("f", priority=7)
    assert engine.take().priority == 7


def test_a_definition_does_not_wait_for_a_new_priority(engine: Engine, open_engine: Open) -> None:
    """Rule 20: its queue is made by the first run if another transaction was making it, even in vain."""
    other = open_engine()
    engine.define("f", step("a"))
    with engine.connection.transaction(force_rollback=True):
        engine.run("f", priority=9)
        other.rows("set lock_timeout = '5s'")
        other.define("g", step("b", priority=9))
    other.run("g")
    assert other.take("b").priority == 9


def test_a_new_priority_on_the_same_executors_in_opposite_order(engine: Engine, open_engine: Open) -> None:
    """Rule 20: no deadlock, and each executor has its queue once nobody is making it any more."""
    other = open_engine()
    names = [f"x{number:02}" for number in range(40)]
    engine.define("there", *(step(name, executor=name) for name in names))
    engine.define("back", *(step(name, executor=name) for name in reversed(names)))
    for priority in range(1, 21):
        together(
            partial(engine.start, "there", priority=priority), partial(other.start, "back", priority=priority)
        )
        engine.start("there", priority=priority)
    assert engine.value("select count(*) from pgflow.queues where priority > 0") == 20 * 40
