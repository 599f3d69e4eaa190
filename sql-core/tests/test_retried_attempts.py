"""Attempts of what `retry_run` runs again: their numbers, their late reports, their history."""

from __future__ import annotations

from .support.definitions import map_step, step
from .support.engine import Engine, fail_report, refused


def test_attempt_numbers_of_rerun_items_go_on(engine: Engine) -> None:
    """Rule 61: the fence is never reused, though the items are made anew."""
    engine.define("f", step("a"), map_step("m", "a"))
    run_id = engine.run("f")
    engine.complete(engine.take("a"), [1, 2])
    old = engine.claim(2)
    for task in old:
        engine.complete(task)
    engine.retry(run_id, "a")
    engine.complete(engine.take("a"), [1, 2])
    again = engine.claim(2)
    assert [t.attempt for t in again] == [2, 2]
    assert [engine.complete(t) for t in old] == ["duplicate", "duplicate"]
    engine.complete(again[0])
    assert engine.complete(again[1]) == "completed"
    assert engine.status(run_id) == "completed"


def test_a_late_report_of_the_first_life_is_not_taken_in_the_second(engine: Engine) -> None:
    """Rule 47: tokens of cancelled attempts stay fenced after retry_run."""
    engine.define("f", step("a"))
    run_id = engine.run("f")
    old = engine.take()
    engine.cancel(run_id)
    engine.retry(run_id)
    assert engine.complete(old, "old") == "stale"
    assert engine.fail(old) == "stale"
    assert engine.heartbeat(old) in (["stale"], ["cancel"])
    new = engine.take()
    assert engine.complete(old, "old") == "stale"
    assert engine.complete(new, "new") == "completed"
    assert engine.stored_run(run_id).output == {"a": "new"}


def test_an_item_that_was_gone_for_a_while_goes_on_counting(engine: Engine) -> None:
    """Rule 61: attempt numbers are never reused, so neither are history rows."""
    engine.define("f", step("a"), map_step("m", "a", base_delay=0))
    engine.at(0)
    run_id = engine.run("f")
    engine.complete(engine.take("a"), [0, 1, 2])
    engine.report(fail_report(task) for task in engine.claim(3))
    for items in ([0], [0, 1, 2]):
        engine.wait(1)
        engine.work_off()
        engine.retry(run_id, "a")
        engine.complete(engine.take("a"), items)
    assert [task.attempt for task in engine.claim(3)] == [4, 3, 3]
    assert engine.outcomes(run_id, "m", 2) == [(1, "failed")]


def test_completed_attempts_of_what_runs_again_stay_in_history(engine: Engine) -> None:
    """Rule 62: history stays, of single steps, of items, and of what was late."""
    engine.define("f", step("a"), map_step("m", "a"), step("end", "m"))
    engine.at(0)
    run_id = engine.run("f")
    task = engine.take("a", worker="first")
    engine.wait(31)
    engine.maintain()
    assert engine.complete(task, [0, 1]) == "completed"  # late
    engine.work_off()
    for turn in (1, 2):
        engine.retry(run_id, "a")
        seen = engine.rows(
            """select step_slug, task_index, attempt, outcome from pgflow.task_attempts where run_id = %s
               order by step_slug, task_index, attempt""",
            run_id,
        )
        before = [
            (slug, index, n) for slug, index in [("a", 0), ("end", 0), ("m", 0), ("m", 1)] for n in (1, 2)
        ]
        assert [row[:3] for row in seen] == [row for row in before if row[2] <= turn]
        assert {row.outcome for row in seen if row[0] != "a"} == {"completed"}
        engine.work_off({"a": [0, 1]})
    assert (
        engine.value("select worker_id from pgflow.task_attempts where step_slug = 'a' and attempt = 1")
        == "first"
    )


def test_a_late_duplicate_of_an_attempt_that_was_superseded(engine: Engine) -> None:
    """Rule 28: `duplicate` for the verb that ended it, `stale` for others; also before it starts again."""
    engine.define("f", step("a"), step("b", "a", max_attempts=5, base_delay=0), map_step("m", "b"))
    run_id = engine.run("f")
    a = engine.take("a")
    engine.complete(a, 1)
    failed = engine.take("b")
    engine.fail(failed)
    b = engine.take("b")
    engine.complete(b, ["x"])
    item = engine.take("m")
    engine.complete(item)
    engine.retry(run_id, "a")
    for _ in range(2):
        assert [engine.complete(task) for task in (a, b, item)] == ["duplicate"] * 3
        assert [engine.fail(task) for task in (a, b, item)] == ["stale"] * 3
        assert (engine.fail(failed), engine.complete(failed)) == ("duplicate", "stale")
        with refused("PF003"):
            engine.complete(item._replace(task_index=7))
        engine.work_off({"b": ["x"]})


def test_a_rerun_run_is_deleted_whole(engine: Engine) -> None:
    """Rule 64: with the rows of its superseded attempts."""
    engine.define("f", step("a"))
    run_id = engine.run("f")
    engine.work_off()
    engine.retry(run_id, "a")
    engine.rows("select pgflow.delete_flow('f', true)")
    assert engine.value("select count(*) from pgflow.superseded_attempts") == 0
