"""Rule 88: a caller in REPEATABLE READ or SERIALIZABLE gets an error or the right answer."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from .support.definitions import map_step, step
from .support.engine import Engine

LEVELS = ["repeatable read", "serializable"]


def begin(engine: Engine, level: str) -> None:
    """Start a transaction whose snapshot is taken now."""
    engine.rows(f"begin isolation level {level}")
    engine.rows("select count(*) from pgflow.runs")


def attempt(engine: Engine, call: Callable[[], object]) -> object:
    """Return the answer, or the SQLSTATE; the transaction ends either way."""
    try:
        answer = call()
        engine.rows("commit")
    except psycopg.Error as error:
        engine.rows("rollback")
        return error.sqlstate
    return answer


@pytest.mark.parametrize("level", LEVELS)
def test_the_last_two_dependencies_end_under_an_old_snapshot(
    engine: Engine, open_engine: Callable[[], Engine], level: str
) -> None:
    """Rule 88: fan-in: the second may not believe that the first is still open."""
    other = open_engine()
    engine.define("f", step("a"), step("b"), step("join", "a", "b"))
    run_id = engine.run("f")
    tasks = engine.take_all()
    begin(other, level)
    assert engine.complete(tasks["a"]) == "completed"
    answer = attempt(other, lambda: other.complete(tasks["b"]))
    assert answer in ("completed", "40001")
    if answer == "40001":
        assert engine.complete(tasks["b"]) == "completed"
    assert engine.steps(run_id)["join"] == "running"
    assert engine.violations() == []


@pytest.mark.parametrize("level", LEVELS)
def test_the_last_items_of_a_map_end_under_an_old_snapshot(
    engine: Engine, open_engine: Callable[[], Engine], level: str
) -> None:
    """Rule 88: in one counter slot and in two."""
    other = open_engine()
    engine.define("f", map_step("m", "run"), step("end", "m"))
    for first, last in ((0, 1), (0, 16), (15, 16)):
        run_id = engine.run("f", list(range(17)))
        tasks = {t.task_index: t for t in engine.claim(17)}
        for index, task in tasks.items():
            if index not in (first, last):
                engine.complete(task)
        begin(other, level)
        assert engine.complete(tasks[first]) == "completed"
        answer = attempt(other, lambda task=tasks[last]: other.complete(task))
        assert answer in ("completed", "40001")
        if answer == "40001":
            assert engine.complete(tasks[last]) == "completed"
        assert engine.steps(run_id) == {"m": "completed", "end": "running"}
        engine.complete(engine.take("end"))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_a_run_ends_while_an_old_snapshot_completes_in_it(
    engine: Engine, open_engine: Callable[[], Engine], level: str, end: str
) -> None:
    """Rule 88: no live task under a dead run."""
    other = open_engine()
    engine.define("f", step("a"), step("b"), step("c", "a"))
    run_id = engine.run("f")
    tasks = engine.take_all()
    begin(other, level)
    engine.cancel(run_id) if end == "cancel" else engine.fail(tasks["b"], retryable=False)
    assert attempt(other, lambda: other.complete(tasks["a"])) in ("stale", "40001")
    assert engine.violations() == []
    assert engine.steps(run_id)["c"] == "cancelled"


@pytest.mark.parametrize("level", LEVELS)
def test_a_completion_happens_while_an_old_snapshot_cancels(
    engine: Engine, open_engine: Callable[[], Engine], level: str
) -> None:
    """Rule 88: what the old snapshot does not see would stay alive."""
    other = open_engine()
    engine.define("f", step("a"), map_step("m", "a"), step("b"))
    run_id = engine.run("f")
    task = engine.take_all()["a"]
    begin(other, level)
    engine.complete(task, [1, 2, 3])
    answer = attempt(other, lambda: other.cancel(run_id))
    assert answer in ("cancelled", "40001")
    assert engine.violations() == []
    if answer == "cancelled":
        assert {t.status for t in engine.tasks(run_id, "m")} == {"cancelled"}
        assert engine.claim(10) == []


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "verb", ["claim", "maintain", "retry", "pause", "heartbeat", "release", "run", "define"]
)
def test_other_verbs_under_an_old_snapshot(
    engine: Engine, open_engine: Callable[[], Engine], level: str, verb: str
) -> None:
    """Rule 88: whatever the world did since."""
    other = open_engine()
    for session in (engine, other):
        session.at(0)
    engine.define("f", step("a"), step("b", "a"), map_step("m", "a"))
    runs = [engine.run("f", idempotency_key=f"k{i}") for i in range(4)]
    tasks = engine.claim(3)
    engine.cancel(runs[2])
    begin(other, level)
    engine.complete(tasks[0], [1, 2])
    engine.cancel(runs[1])
    engine.retry(runs[2])
    engine.claim(2)
    engine.define("f", step("z"))
    fresh = engine.run("f", idempotency_key="k9")
    calls: dict[str, Callable[[], object]] = {
        "claim": lambda: len(other.claim(100)),
        "maintain": other.maintain,
        "retry": lambda: other.retry(runs[1]),
        "pause": lambda: other.rows("select pgflow.pause_run(%s)", runs[0]),
        "heartbeat": lambda: other.heartbeat(*tasks),
        "release": lambda: other.release(*tasks),
        "run": lambda: other.start("f", idempotency_key="k9").run_id,
        "define": lambda: other.define("f", step("z")).flow_version,
    }
    answer = attempt(other, calls[verb])
    if verb == "run":
        assert answer in (fresh, "40001")
    if verb == "define":
        assert answer in (2, "40001")
    assert engine.violations() == []
    for run_id in runs:
        if engine.status(run_id) == "running":
            engine.rows("select pgflow.resume_run(%s)", run_id)
    for _ in range(3):  # what was claimed and never reported is lost, then done
        engine.wait(10_000)
        engine.maintain(3)
        engine.wait(10_000)
        engine.work_off({"a": []})
    assert engine.value("select count(*) from pgflow.runs where status = 'running'") == 0
