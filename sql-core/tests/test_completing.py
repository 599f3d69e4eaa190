"""Completing tasks, and what it sets in motion."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from .support.definitions import chain, map_step, step
from .support.engine import Engine, complete_report, key, refused

NUL = '"a\\u0000b"'


@pytest.mark.parametrize("mode", ["start", "launch"])
def test_a_live_task_completes_with_the_current_token(engine: Engine, mode: str) -> None:
    """Rule 27: claimed or running; output stored, finished_at set."""
    engine.define("f", step("a"), step("b", "a"))
    engine.at(0)
    run_id = engine.run("f")
    task = engine.take("a", mode=mode)
    now = engine.at(5)
    assert engine.complete(task, {"x": 1}) == "completed"
    stored = engine.task(run_id, "a")
    assert (stored.status, stored.output, stored.finished_at) == ("completed", {"x": 1}, now)
    assert stored.lease_expires_at is None
    state = engine.step(run_id, "a")
    assert (state.status, state.output, state.finished_at) == ("completed", {"x": 1}, now)
    assert engine.attempts(run_id, "a") == []


def test_sql_null_output_is_json_null(engine: Engine) -> None:
    """DESIGN 3: SQL NULL given means JSON null; a stored SQL NULL means none yet."""
    engine.define("f", *chain("a", "b"))
    run_id = engine.run("f")
    stored = "select output::text from pgflow.{} where step_slug = 'a'"
    tables = ("step_states", "step_tasks")
    assert [engine.value(stored.format(table)) for table in tables] == [None, None]
    task = engine.take("a")
    assert engine.value("select pgflow.complete_step_task(%s, %s, %s, %s, null)", *key(task)) == "completed"
    assert [engine.value(stored.format(table)) for table in tables] == ["null", "null"]
    assert engine.take("b").input == {"a": None}
    assert engine.status(run_id) == "running"


def test_a_report_without_output_is_json_null(engine: Engine) -> None:
    """DESIGN 3: in a batch too."""
    engine.define("f", step("a"))
    run_id = engine.run("f")
    report = complete_report(engine.take("a"))
    del report["output"]
    assert engine.report([report]) == ["completed"]
    assert engine.value("select output::text from pgflow.runs where run_id = %s", run_id) == '{"a": null}'


def test_nul_characters_are_a_class_22_error_that_changes_nothing(engine: Engine) -> None:
    """Rule 89: jsonb refuses them before the engine sees them."""
    engine.define("f", step("a"))
    run_id = engine.run("f")
    task = engine.take("a")
    with pytest.raises(psycopg.DataError) as caught:
        engine.rows("select pgflow.complete_step_task(%s, %s, %s, %s, %s::jsonb)", *key(task), NUL)
    assert caught.value.sqlstate is not None
    assert caught.value.sqlstate.startswith("22")
    assert engine.task(run_id, "a").status == "running"
    assert engine.complete(task) == "completed"


def test_a_map_step_completes_when_all_its_tasks_did(engine: Engine) -> None:
    """Rule 30: dependents start only then."""
    engine.define("f", map_step("m", "run"), step("end", "m"))
    run_id = engine.run("f", list(range(40)))
    tasks = engine.claim(40)
    for task in tasks[:-1]:
        assert engine.complete(task) == "completed"
        assert engine.steps(run_id) == {"m": "running", "end": "pending"}
    assert engine.step(run_id, "m").finished_at is None
    assert engine.complete(tasks[-1]) == "completed"
    assert engine.steps(run_id) == {"m": "completed", "end": "running"}


def test_a_join_starts_after_its_last_dependency_in_any_order(engine: Engine) -> None:
    """Rule 31: once, when the last one ends."""
    names = [f"d{i}" for i in range(6)]
    engine.define("f", *(step(name) for name in names), step("join", *names))
    for turn in range(6):
        run_id = engine.run("f")
        tasks = engine.claim(10)
        order = tasks[turn:] + tasks[:turn]
        for task in order[:-1]:
            engine.complete(task)
            assert engine.step(run_id, "join").status == "pending"
        engine.complete(order[-1])
        assert len(engine.tasks(run_id, "join")) == 1
        engine.complete(engine.take("join"))
        assert engine.status(run_id) == "completed"


def test_a_join_starts_once_when_one_batch_ends_all_its_dependencies(engine: Engine) -> None:
    """Rule 31: also with singles and maps in the same batch."""
    engine.define("f", step("a"), step("b"), map_step("m", "run"), step("join", "a", "b", "m"))
    runs = [engine.run("f", [1, 2, 3]) for _ in range(20)]
    tasks = engine.claim(500)
    assert engine.report(complete_report(task) for task in tasks) == ["completed"] * 100
    assert sorted(t.run_id for t in engine.claim(500)) == sorted(runs)
    assert {
        t.step_slug for t in engine.rows("select step_slug from pgflow.step_tasks where status = 'running'")
    } == {"join"}


def test_completion_commits_with_the_callers_transaction(
    engine: Engine, open_engine: Callable[[], Engine]
) -> None:
    """Rule 37: or rolls back with the caller's writes; the token still holds then."""
    other = open_engine()
    engine.define("f", *chain("a", "b"))
    run_id = engine.run("f")
    task = engine.take("a")
    engine.rows("create table mine (x int)")
    with engine.connection.transaction(force_rollback=True):
        engine.rows("insert into mine values (1)")
        assert engine.complete(task, 1) == "completed"
    assert engine.steps(run_id) == {"a": "running", "b": "pending"}
    assert not other.rows("select 1 from mine")
    with engine.transaction():
        engine.rows("insert into mine values (2)")
        assert engine.complete(task, 2) == "completed"
        assert other.steps(run_id) == {"a": "running", "b": "pending"}
        assert other.claim(10) == []
    assert other.rows("select 1 from mine")
    assert other.take("b").input == {"a": 2}


def test_a_failed_savepoint_leaves_the_rest_of_the_transaction(engine: Engine) -> None:
    """Rule 37: a completion undone by a savepoint may be done again."""
    engine.define("f", map_step("m", "run"), step("end", "m"))
    run_id = engine.run("f", [1, 2])
    first, second = engine.claim(2)
    with engine.transaction():
        engine.complete(first, "a")
        with engine.connection.transaction(force_rollback=True):
            engine.complete(second, "lost")
        assert engine.steps(run_id) == {"m": "running", "end": "pending"}
        engine.complete(second, "b")
    assert engine.take("end").input == {"m": ["a", "b"]}


def test_a_step_may_be_claimed_and_completed_in_the_transaction_that_started_its_run(engine: Engine) -> None:
    """Rule 37: every verb in one transaction."""
    engine.define("f", *chain("a", "b"))
    with engine.transaction():
        run_id = engine.run("f")
        assert engine.work_off() == 2
        assert engine.status(run_id) == "completed"
    assert engine.status(run_id) == "completed"


def test_an_unknown_run_step_or_task_is_named(engine: Engine) -> None:
    """Rule 28: PF003."""
    engine.define("f", map_step("m", "run"))
    run_id = engine.run("f", [1])
    task = engine.take("m")
    token = task.attempt_token
    for wrong, word in (
        ((token, "m", 0, token), str(token)),
        ((run_id, "nowhere", 0, token), "nowhere"),
        ((run_id, "m", 1, token), "m"),
        ((run_id, "m", -1, token), "m"),
    ):
        with refused("PF003", word):
            engine.rows("select pgflow.complete_step_task(%s, %s, %s, %s, '1')", *wrong)
        with refused("PF003", word):
            engine.rows("select pgflow.fail_step_task(%s, %s, %s, %s, '{}')", *wrong)
    assert engine.complete(task) == "completed"


def test_an_unknown_token_is_stale(engine: Engine) -> None:
    """Rule 28: order 4: also for a task that nobody claimed yet."""
    engine.define("f", step("a"), step("b"))
    run_id = engine.run("f")
    task = engine.take("a")
    guess = task._replace(attempt_token=run_id)
    unclaimed = guess._replace(step_slug="b")
    nothing = guess._replace(attempt_token=None)
    for wrong in (guess, unclaimed, nothing):
        assert engine.complete(wrong) == "stale"
        assert engine.fail(wrong) == "stale"
        assert engine.begin(wrong).status == "stale"
    assert engine.heartbeat(guess, unclaimed) == ["stale", "stale"]
    assert engine.release(guess, unclaimed) == ["stale", "stale"]
    assert engine.task(run_id, "a").status == "running"


def test_a_token_opens_no_other_task(engine: Engine) -> None:
    """Rule 28: the fence is the task's own, even inside one map."""
    engine.define("f", map_step("m", "run"))
    run_id = engine.run("f", [1, 2])
    first, second = engine.claim(2)
    assert engine.complete(second._replace(attempt_token=first.attempt_token)) == "stale"
    assert engine.complete(first) == "completed"
    assert engine.complete(second._replace(attempt_token=first.attempt_token)) == "stale"
    assert engine.steps(run_id) == {"m": "running"}
    assert engine.complete(second) == "completed"
