"""`when_exhausted` and `max_failures`: what a final failure does to its step and run."""

from __future__ import annotations

import pytest

from .support.definitions import chain, map_step, step
from .support.engine import Engine, complete_report, fail_report


def give_up(engine: Engine, *tasks: object) -> None:
    for task in tasks:
        assert engine.fail(task, {"message": "given up"}, retryable=False) == "failed"


def test_fail_ends_the_run_and_everything_live_in_it(engine: Engine) -> None:
    """Rule 43: error on step and run; all other live steps and tasks cancelled at once."""
    engine.define(
        "f", step("bad"), step("claimed"), step("queued"), step("delayed", start_delay=99),
        map_step("items", "run"), step("done"), step("after", "bad", "claimed"), map_step("over", "done"),
        step("skipped", required_input={"run": {"x": 1}}),
    )  # fmt: skip
    engine.at(0)
    run_id = engine.run("f", [1, 2, 3])
    tasks = {t.step_slug + str(t.task_index): t for t in engine.claim(10)}
    engine.complete(tasks["done0"], [1])
    engine.complete(tasks["items1"], "kept")
    engine.release(tasks["queued0"])
    now = engine.at(1)
    give_up(engine, tasks["bad0"])
    run = engine.stored_run(run_id)
    assert (run.status, run.finished_at) == ("failed", now)
    assert engine.steps(run_id) == {
        "bad": "failed", "claimed": "cancelled", "queued": "cancelled", "delayed": "cancelled",
        "items": "cancelled", "done": "completed", "after": "cancelled", "over": "cancelled",
        "skipped": "skipped",
    }  # fmt: skip
    for error in (run.error, engine.step(run_id, "bad").error):
        assert error.items() >= {"message": "given up", "step_slug": "bad", "task_index": 0}.items()
    assert [t.status for t in engine.tasks(run_id, "items")] == ["cancelled", "completed", "cancelled"]
    assert {t.status for t in engine.tasks(run_id)} == {"failed", "cancelled", "completed"}
    ended = engine.rows("select step_slug from pgflow.step_states where finished_at is null")
    assert not ended
    assert engine.claim(10) == []
    assert engine.heartbeat(tasks["claimed0"]) == ["cancel"]
    assert engine.complete(tasks["claimed0"]) == "stale"


def test_skip_lets_dependents_go_on_without_the_key(engine: Engine) -> None:
    """Rule 44: skipped(handler_failed), the error kept."""
    engine.define("f", step("bad", when_exhausted="skip"), step("good"), step("join", "bad", "good"))
    run_id = engine.run("f")
    tasks = engine.take_all()
    give_up(engine, tasks["bad"])
    state = engine.step(run_id, "bad")
    assert (state.status, state.skip_reason) == ("skipped", "handler_failed")
    assert state.error["message"] == "given up"
    assert engine.task(run_id, "bad").status == "failed"
    assert engine.steps(run_id)["join"] == "pending"
    engine.complete(tasks["good"], 1)
    join = engine.take("join")
    assert join.input == {"good": 1}
    engine.complete(join, "ok")
    assert engine.status(run_id) == "completed"
    assert engine.stored_run(run_id).output == {"join": "ok"}


def test_a_map_whose_source_was_skipped_completes_empty(engine: Engine) -> None:
    """Rule 44: whatever its other dependencies did."""
    engine.define(
        "f", step("bad", when_exhausted="skip"), step("also_bad", when_exhausted="skip"), step("good"),
        map_step("m", "bad"), map_step("with_good", "bad", "good"), map_step("with_bad", "bad", "also_bad"),
        map_step("n", "m"), step("end", "n", "with_good", "with_bad"),
    )  # fmt: skip
    run_id = engine.run("f")
    tasks = engine.take_all()
    engine.complete(tasks["good"])
    give_up(engine, tasks["also_bad"], tasks["bad"])
    steps = engine.steps(run_id)
    assert {steps[slug] for slug in ("m", "n", "with_good", "with_bad")} == {"completed"}
    assert engine.take("end").input == {"n": [], "with_good": [], "with_bad": []}


def test_skip_cascade_skips_all_transitive_dependents(engine: Engine) -> None:
    """Rule 45: independent branches untouched."""
    engine.define(
        "f", step("bad", when_exhausted="skip_cascade"), step("good"), step("b", "bad"), map_step("c", "b"),
        map_step("over", "bad"), step("join", "c", "good"), step("beside", "good"),
        step("last", "join", "beside"),
    )  # fmt: skip
    run_id = engine.run("f")
    tasks = engine.take_all()
    engine.complete(tasks["good"], 1)
    give_up(engine, tasks["bad"])
    cascade = dict.fromkeys(("b", "c", "over", "join", "last"), "dependency_skipped")
    assert engine.skips(run_id) == {"bad": "handler_failed", **cascade}
    engine.complete(engine.take("beside"), "here")
    assert engine.status(run_id) == "completed"
    assert engine.stored_run(run_id).output is None


def diamonds(count: int) -> list[dict[str, object]]:
    made = [step("top0", when_exhausted="skip_cascade")]
    for i in range(count):
        made += [step(f"left{i}", f"top{i}"), step(f"right{i}", f"top{i}")]
        made += [step(f"top{i + 1}", f"left{i}", f"right{i}")]
    return made


def test_a_ladder_of_25_diamonds_is_skipped_without_walking_its_paths(engine: Engine) -> None:
    """Rule 45: 2^25 paths would not end before the statement timeout."""
    engine.define("f", *diamonds(25))
    run_id = engine.run("f")
    engine.rows("set statement_timeout = '20s'")
    give_up(engine, engine.take("top0"))
    assert engine.status(run_id) == "completed"
    assert set(engine.skips(run_id).values()) == {"handler_failed", "dependency_skipped"}
    assert len(engine.skips(run_id)) == 76


def test_a_ladder_of_25_diamonds_of_unmet_conditions_ends_in_run_flow(engine: Engine) -> None:
    """Rule 45: by plain skips, one layer after another."""
    unmet = {"required_input": {"run": {"go": True}}}
    engine.define("f", *({**made, "options": unmet} for made in diamonds(25)))
    engine.rows("set statement_timeout = '20s'")
    started = engine.start("f")
    assert started.status == "completed"
    assert set(engine.skips(started.run_id).values()) == {"condition_unmet"}


@pytest.mark.parametrize("mode", ["fail", "skip", "skip_cascade"])
def test_a_map_ends_by_its_first_failed_item_without_max_failures(engine: Engine, mode: str) -> None:
    """Rule 46: k = 0; its other items end with it."""
    engine.define("f", map_step("m", "run", when_exhausted=mode), step("after", "m"), step("end", "after"))
    run_id = engine.run("f", [0, 1, 2, 3])
    tasks = engine.claim(3)
    engine.complete(tasks[0])
    give_up(engine, tasks[1])
    assert [t.status for t in engine.tasks(run_id, "m")] == ["completed", "failed", "cancelled", "cancelled"]
    assert engine.complete(tasks[2]) == "stale"
    assert (
        engine.steps(run_id)
        == {
            "fail": {"m": "failed", "after": "cancelled", "end": "cancelled"},
            "skip": {"m": "skipped", "after": "running", "end": "pending"},
            "skip_cascade": {"m": "skipped", "after": "skipped", "end": "skipped"},
        }[mode]
    )
    assert engine.step(run_id, "m").error["task_index"] == 1
    if mode == "skip":
        assert engine.take("after").input == {}


def test_max_failures_tolerates_so_many_items(engine: Engine) -> None:
    """Rule 46: their outputs are null and they are listed as failed."""
    engine.define("f", map_step("m", "run", max_failures=2), map_step("n", "m"), step("whole", "m"))
    run_id = engine.run("f", [0, 1, 2, 3])
    tasks = engine.claim(4)
    give_up(engine, tasks[0], tasks[2])
    assert engine.steps(run_id)["m"] == "running"
    engine.complete(tasks[1], "b")
    engine.complete(tasks[3], "d")
    assert engine.step(run_id, "m").status == "completed"
    assert engine.step(run_id, "m").output == [None, "b", None, "d"]
    assert [t.status for t in engine.tasks(run_id, "m")] == ["failed", "completed", "failed", "completed"]
    assert engine.task(run_id, "m", 2).error["message"] == "given up"
    after = engine.take_all()
    assert after["whole"].input == {"m": [None, "b", None, "d"]}
    assert [after[f"n[{i}]"].input["item"] for i in range(4)] == [None, "b", None, "d"]


@pytest.mark.parametrize("last", ["complete", "fail"])
def test_a_map_may_end_with_a_tolerated_failure(engine: Engine, last: str) -> None:
    """Rule 46: the last item to end decides nothing but the moment."""
    engine.define("f", map_step("m", "run", max_failures=1), step("end", "m"))
    run_id = engine.run("f", [0, 1])
    first, second = engine.claim(2)
    if last == "fail":
        engine.complete(first, "a")
        give_up(engine, second)
    else:
        give_up(engine, second)
        engine.complete(first, "a")
    assert engine.take("end").input == {"m": ["a", None]}
    assert engine.status(run_id) == "running"


def test_every_item_may_fail_when_so_many_are_tolerated(engine: Engine) -> None:
    """Rule 46: the map completes with nulls."""
    engine.define("f", map_step("m", "run", max_failures=3))
    run_id = engine.run("f", [0, 1, 2])
    give_up(engine, *engine.claim(3))
    assert engine.stored_run(run_id).output == {"m": [None, None, None]}


@pytest.mark.parametrize("mode", ["fail", "skip", "skip_cascade"])
def test_one_failure_too_many_fails_the_step(engine: Engine, mode: str) -> None:
    """Rule 46: k+1, also when they come in one batch."""
    engine.define("f", map_step("m", "run", max_failures=2, when_exhausted=mode), step("after", "m"))
    for batched in (False, True):
        run_id = engine.run("f", list(range(6)))
        tasks = engine.claim(5)
        if batched:
            assert engine.report(fail_report(t, retryable=False) for t in tasks[:3]) == ["failed"] * 3
        else:
            give_up(engine, *tasks[:3])
        assert [t.status for t in engine.tasks(run_id, "m")] == ["failed"] * 3 + ["cancelled"] * 3
        assert engine.step(run_id, "m").status == ("failed" if mode == "fail" else "skipped")
        assert engine.complete(tasks[4]) == "stale"
        engine.work_off()


def test_a_batch_with_a_final_failure_leaves_nothing_live(engine: Engine) -> None:
    """Rule 43: reports beside it are applied or stale, and the answer tells which."""
    engine.define("f", *(step(f"s{i}") for i in range(8)), step("end", *(f"s{i}" for i in range(8))))
    run_id = engine.run("f")
    tasks = engine.claim(8)
    reports = [complete_report(task) for task in tasks]
    reports[3] = fail_report(tasks[3], retryable=False)
    answers = engine.report(reports)
    assert answers[3] == "failed"
    steps = engine.steps(run_id)
    by_answer = {"completed": "completed", "stale": "cancelled", "failed": "failed"}
    assert [steps[task.step_slug] for task in tasks] == [by_answer[answer] for answer in answers]
    assert steps["end"] == "cancelled"
    assert engine.status(run_id) == "failed"


def test_a_failed_run_names_the_step_that_failed_it(engine: Engine) -> None:
    """Rule 43: not one that a later report of the same run would name."""
    engine.define("f", step("a"), step("b"), *chain("c", "d"))
    run_id = engine.run("f")
    tasks = engine.take_all()
    give_up(engine, tasks["b"])
    assert engine.fail(tasks["a"], retryable=False) == "stale"
    assert engine.stored_run(run_id).error["step_slug"] == "b"
    assert engine.steps(run_id) == {"a": "cancelled", "b": "failed", "c": "cancelled", "d": "cancelled"}
