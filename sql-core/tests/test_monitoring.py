"""What a monitor reads: the backlog, the lag of the sweep, how long tasks waited."""

from __future__ import annotations

import psycopg
import pytest

from .support.definitions import map_step, step
from .support.engine import Engine


def backlog(engine: Engine, *arguments: int) -> dict[str, tuple[int, float, bool]]:
    rows = engine.rows(f"select * from pgflow.backlog({', '.join(map(str, arguments))})")
    return {row.executor: (row.ready_tasks, row.oldest_seconds, row.paused) for row in rows}


def test_the_backlog_counts_ready_tasks_and_the_age_of_the_first(engine: Engine) -> None:
    engine.define("f", step("a"), map_step("m", "run"), step("g", executor="gpu"))
    assert backlog(engine) == {"gpu": (0, 0, False), "local": (0, 0, False)}
    engine.at(0)
    engine.run("f", [1, 2, 3])
    engine.at(10)
    engine.run("f", [1, 2, 3], priority=5)
    engine.at(15)
    assert backlog(engine) == {"gpu": (2, 15, False), "local": (8, 15, False)}
    assert backlog(engine, 3) == {"gpu": (2, 15, False), "local": (3, 15, False)}


def test_a_retried_task_waits_from_when_it_became_ready_again(engine: Engine) -> None:
    engine.define("f", step("a", base_delay=20, jitter=0))
    engine.at(0)
    engine.run("f")
    engine.fail(engine.take_all()["a"])
    engine.at(5)
    assert backlog(engine)["local"] == (0, 0, False)
    engine.at(50)
    engine.rows("select pgflow.maintain()")
    assert backlog(engine)["local"] == (1, 30, False)


def test_the_backlog_says_which_executor_is_paused(engine: Engine) -> None:
    engine.define("f", step("a"))
    engine.rows("select pgflow.pause_executor('local', 'upkeep')")
    assert backlog(engine) == {"local": (0, 0, True)}


def test_a_senseless_limit_is_refused(engine: Engine) -> None:
    with pytest.raises(psycopg.Error, match="max_counted must be between") as caught:
        backlog(engine, 0)
    assert caught.value.sqlstate == "PF008"


def test_the_lag_of_the_sweep_is_the_age_of_the_first_due_timer(engine: Engine) -> None:
    engine.define("f", step("a", start_delay=30))
    engine.at(0)
    assert engine.value("select pgflow.sweep_lag()") == 0
    engine.run("f")
    assert engine.value("select pgflow.sweep_lag()") == 0
    engine.at(42)
    assert engine.value("select pgflow.sweep_lag()") == 12
    engine.rows("select pgflow.maintain()")
    assert engine.value("select pgflow.sweep_lag()") == 0


def test_the_wait_of_a_claimed_task_ends_with_its_claim(engine: Engine) -> None:
    engine.define("f", step("a", start_delay=4), map_step("m", "run"))
    engine.at(0)
    run_id = engine.run("f", [1, 2])
    engine.at(7)
    engine.rows("select pgflow.maintain()")
    engine.take_all()
    engine.at(9)
    waits = engine.rows(
        "select * from pgflow.queue_waits(%s, %s, %s)", [run_id] * 4, ["a", "m", "m", "x"], [0, 0, 1, 0]
    )
    assert [(row.ordinal, row.wait_seconds) for row in waits] == [(1, 3), (2, 7), (3, 7)]


def test_a_task_that_nobody_holds_has_no_wait(engine: Engine) -> None:
    engine.define("f", step("a"))
    run_id = engine.run("f")
    assert engine.rows("select * from pgflow.queue_waits(%s, %s, %s)", [run_id], ["a"], [0]) == []
