"""Heartbeats carry what an attempt has written; readers see it while that attempt is the current one."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from .support.definitions import step
from .support.engine import Engine, Row, reference


def beat(engine: Engine, task: Any, tail: Any, end: Any) -> str:
    told = Jsonb([reference(task) | {"log_tail": tail, "log_end": end}])
    return engine.value("select status from pgflow.heartbeat_step_tasks(%s)", told)


def live(engine: Engine) -> list[Row]:
    return engine.rows("select attempt, log_tail, log_end from pgflow.live_task_logs")


def test_the_latest_output_is_shown_while_the_attempt_goes_on(engine: Engine) -> None:
    engine.define("f", step("a", base_delay=0))
    engine.run("f")
    first = engine.take()
    assert beat(engine, first, "one\n", 4) == "ok"
    assert beat(engine, first, "one\ntwo\n", 8) == "ok"
    assert [tuple(row) for row in live(engine)] == [(1, "one\ntwo\n", 8)]
    engine.fail(first)
    assert live(engine) == []
    second = engine.take()
    assert live(engine) == []
    assert beat(engine, first, "late", 4) == "stale"
    assert live(engine) == []
    beat(engine, second, "anew", 4)
    assert [tuple(row) for row in live(engine)] == [(2, "anew", 4)]
    assert engine.complete(second) == "completed"
    assert live(engine) == []


def test_a_heartbeat_that_was_overtaken_takes_nothing_back(engine: Engine) -> None:
    engine.define("f", step("a"))
    engine.run("f")
    task = engine.take()
    assert beat(engine, task, "one\ntwo\n", 8) == "ok"
    assert beat(engine, task, "one\n", 4) == "ok"
    assert [tuple(row) for row in live(engine)] == [(1, "one\ntwo\n", 8)]


@pytest.mark.parametrize(
    ("tail", "end"),
    [
        ("", 0),
        (5, 5),
        ({"a": 1}, 1),
        ("x", "x"),
        ("x", None),
        ("x", -1),
        ("x", 1e300),
        ("x" * 65_537, 65_537),
        (None, 1),
    ],
)
def test_what_is_no_output_costs_nobody_the_heartbeat(engine: Engine, tail: Any, end: Any) -> None:
    engine.define("f", step("a"))
    engine.run("f")
    assert beat(engine, engine.take(), tail, end) == "ok"
    assert live(engine) == []


def test_what_ended_attempts_had_written_is_deleted_by_a_pass_a_minute_later(engine: Engine) -> None:
    engine.define("f", step("a"))
    for _ in range(2):
        engine.run("f")
    ended, running = engine.claim(2)
    for task in (ended, running):
        beat(engine, task, "x", 1)
    engine.complete(ended)
    engine.rows("select pgflow.maintain()")
    assert engine.value("select count(*) from pgflow.live_logs") == 2
    engine.rows("update pgflow.live_logs set reported_at = reported_at - interval '2 minutes'")
    engine.rows("select pgflow.maintain()")
    kept = engine.rows("select run_id from pgflow.live_logs")
    assert [row.run_id for row in kept] == [running.run_id]


def test_it_is_deleted_with_its_run(engine: Engine) -> None:
    engine.define("f", step("a"))
    engine.run("f")
    task = engine.take()
    beat(engine, task, "x", 1)
    engine.complete(task)
    engine.rows("select pgflow.prune_runs(interval '0 s', 10)")
    assert engine.rows("select from pgflow.live_logs") == []


def test_a_client_reads_what_its_own_runs_write(engine: Engine) -> None:
    engine.define("f", step("a"))
    for owner in ("alice", "bob"):
        engine.rows(
            "select set_config('request.jwt.claims', json_build_object('sub', %s::text)::text, false)", owner
        )
        engine.run("f")
        beat(engine, engine.take(), owner, 9)
    query = "select log_tail from pgflow.live_task_logs"
    assert [row.log_tail for row in engine.rows(query, role="pgflow_client")] == ["bob"]
    assert len(live(engine)) == 2
