"""Conditions: which steps run, and what becomes of those that do not."""

from __future__ import annotations

import pytest

from .support.definitions import map_step, step
from .support.engine import Engine


def outcome(engine: Engine, **options: object) -> str:
    """Return the status of step `b` after `a` gave `{"n": 1, "tags": ["x", "y"]}` in a run of `{"x": 1}`."""
    engine.define("f", step("a"), step("skipped", required_input={"run": {"no": 1}}),
                  step("b", "a", "skipped", **options))  # fmt: skip
    run_id = engine.run("f", {"x": 1, "deep": {"y": [1, {"z": None}]}})
    engine.complete(engine.take("a"), {"n": 1, "tags": ["x", "y"]})
    status: str = engine.step(run_id, "b").status
    engine.cancel(run_id)
    return status


CONTAINED: list[object] = [
    {},
    {"run": {}},
    {"run": {"x": 1}},
    {"run": {"x": 1.0}},
    {"run": {"deep": {"y": [{}]}}},
    {"run": {"deep": {"y": [{"z": None}]}}},
    {"a": {"n": 1}},
    {"a": {"tags": []}},
    {"a": {"tags": ["y"]}},
    {"a": {"tags": ["y", "x", "x"]}},
    {"run": {"x": 1}, "a": {"n": 1}},
]
NOT_CONTAINED: list[object] = [
    {"run": {"x": 2}},
    {"run": {"x": "1"}},
    {"run": {"x": True}},
    {"run": {"x": None}},
    {"run": {"absent": None}},
    {"run": None},
    {"run": []},
    {"run": {"deep": {"y": 1}}},
    {"a": {"n": 1, "m": 1}},
    {"a": {"tags": ["z"]}},
    {"a": {"tags": "x"}},
    {"a": [1]},
    {"skipped": {}},
    {"skipped": None},
    {"run": {"x": 1}, "a": {"n": 2}},
]


def test_a_contained_condition_is_met(engine: Engine) -> None:
    """Rule 52: required runs, forbidden skips."""
    for condition in CONTAINED:
        assert outcome(engine, required_input=condition) == "running", condition
        assert outcome(engine, forbidden_input=condition) == "skipped", condition


def test_a_condition_that_is_not_contained_is_unmet(engine: Engine) -> None:
    """Rule 52: only the flow input and completed dependencies are looked at."""
    for condition in NOT_CONTAINED:
        assert outcome(engine, required_input=condition) == "skipped", condition
        assert outcome(engine, forbidden_input=condition) == "running", condition


def test_both_conditions_must_hold(engine: Engine) -> None:
    """Rule 52: required and forbidden together."""
    for x, n, expected in ((1, 2, "running"), (1, 1, "skipped"), (2, 2, "skipped"), (2, 1, "skipped")):
        status = outcome(engine, required_input={"run": {"x": x}}, forbidden_input={"a": {"n": n}})
        assert status == expected, (x, n)


def test_inputs_and_outputs_that_are_no_objects_meet_no_object_condition(engine: Engine) -> None:
    """Rule 56: `{"dep": {}}` is contained in an object only; the value itself in itself."""
    for number, value in enumerate([None, 0, "", [], [1], "x", True]):
        slug = f"f{number}"
        engine.define(
            slug,
            step("a"),
            step("obj", "a", required_input={"a": {}}),
            step("same", "a", required_input={"a": value}),
            step("no_obj", "a", forbidden_input={"a": {}}),
            step("run_obj", "a", required_input={"run": {}}),
            step("run_same", "a", required_input={"run": value}),
        )
        run_id = engine.run(slug, value)
        engine.complete(engine.take("a"), value)
        steps = engine.steps(run_id)
        assert [steps[name] for name in ("obj", "run_obj")] == ["skipped"] * 2, value
        assert [steps[name] for name in ("same", "no_obj", "run_same")] == ["running"] * 3, value
        engine.cancel(run_id)


def test_a_forbidden_object_is_met_when_the_dependency_was_skipped(engine: Engine) -> None:
    """Rule 56: so "run this only if that was skipped" can be said."""
    engine.define(
        "f",
        step("maybe", required_input={"run": {"go": True}}),
        step("instead", "maybe", forbidden_input={"maybe": {}}),
    )
    skipped, ran = engine.run("f", {}), engine.run("f", {"go": True})
    for task in engine.claim(10):
        engine.complete(task, {})
    assert engine.steps(skipped) == {"maybe": "skipped", "instead": "completed"}
    assert engine.steps(ran) == {"maybe": "completed", "instead": "skipped"}


def test_unmet_skips_by_default_and_dependents_go_on(engine: Engine) -> None:
    """Rule 53: skipped(condition_unmet)."""
    engine.define("f", step("a", required_input={"run": {"x": 1}}), step("b", "a"), map_step("m", "a"))
    run_id = engine.run("f", {})
    assert engine.skips(run_id) == {"a": "condition_unmet"}
    assert engine.steps(run_id) == {"a": "skipped", "b": "running", "m": "completed"}
    assert engine.take("b").input == {}
    assert engine.step(run_id, "a").finished_at is not None
    assert engine.tasks(run_id, "a") == []


def test_unmet_may_skip_all_dependents(engine: Engine) -> None:
    """Rule 53: skip_cascade."""
    unmet = {"required_input": {"run": {"x": 1}}, "when_unmet": "skip_cascade"}
    engine.define("f", step("a", **unmet), step("b", "a"), map_step("m", "a"), step("c", "b", "d"), step("d"))
    run_id = engine.run("f", {})
    cascade = dict.fromkeys("bmc", "dependency_skipped")
    assert engine.skips(run_id) == {"a": "condition_unmet", **cascade}
    engine.work_off()
    assert engine.status(run_id) == "completed"


def test_unmet_may_fail_the_run(engine: Engine) -> None:
    """Rule 53: CONDITION_UNMET on step and run; everything else cancelled."""
    engine.define(
        "f",
        step("a"),
        step("other"),
        step("b", "a", forbidden_input={"a": 1}, when_unmet="fail"),
        step("c", "b"),
    )
    run_id = engine.run("f")
    tasks = engine.take_all()
    assert engine.complete(tasks["a"], 1) == "completed"
    assert engine.steps(run_id) == {"a": "completed", "other": "cancelled", "b": "failed", "c": "cancelled"}
    for error in (engine.stored_run(run_id).error, engine.step(run_id, "b").error):
        assert (error["code"], error["step_slug"]) == ("CONDITION_UNMET", "b")
    assert engine.complete(tasks["other"]) == "stale"


def test_an_unmet_root_fails_the_run_at_its_start(engine: Engine) -> None:
    """Rule 53: run_flow says so."""
    engine.define("f", step("a", required_input={"run": {"x": 1}}, when_unmet="fail"), step("b"))
    started = engine.start("f", {})
    assert started.status == "failed"
    assert engine.steps(started.run_id) == {"a": "failed", "b": "cancelled"}
    assert engine.claim(10) == []


GO = {"required_input": {"run": {"go": True}}}


@pytest.mark.parametrize("cause", ["completion", "skip", "empty map", "failure"])
def test_conditions_are_evaluated_whatever_made_the_step_ready(engine: Engine, cause: str) -> None:
    """Rule 54: completion, skip, empty map, a skipping failure."""
    before = {
        "completion": step("before"),
        "skip": step("before", required_input={"run": {"never": 1}}),
        "empty map": map_step("before", "source"),
        "failure": step("before", when_exhausted="skip"),
    }[cause]
    engine.define("f", step("source"), before, step("b", "before", **GO), step("end", "b"))
    run_id = engine.run("f", {})
    tasks = engine.take_all()
    engine.complete(tasks["source"], [])
    if cause == "completion":
        engine.complete(tasks["before"])
    elif cause == "failure":
        engine.fail(tasks["before"], retryable=False)
    end = tasks.get("end") or engine.take("end")
    assert end.input == {}
    assert engine.step(run_id, "b").skip_reason == "condition_unmet"


def test_conditions_are_evaluated_again_by_retry_run(engine: Engine) -> None:
    """Rule 54: a retried dependency gives another output."""
    engine.define("f", step("a"), step("b", "a", required_input={"a": {"go": True}}))
    run_id = engine.run("f")
    engine.complete(engine.take("a"), {"go": False})
    assert engine.steps(run_id) == {"a": "completed", "b": "skipped"}
    engine.retry(run_id, "a")
    engine.complete(engine.take("a"), {"go": True})
    assert engine.steps(run_id) == {"a": "completed", "b": "running"}


def test_a_map_is_held_to_its_condition_before_its_items(engine: Engine) -> None:
    """Rule 54: an unmet map is skipped, not completed, whatever feeds it."""
    engine.define("f", step("a"), map_step("m", "a", **GO), map_step("r", "run", **GO), step("end", "m", "r"))
    run_id = engine.run("f", [1])
    engine.complete(engine.take("a"), "no array")
    assert engine.skips(run_id) == {"m": "condition_unmet", "r": "condition_unmet"}
    assert engine.take("end").input == {}


def test_a_join_of_skipped_dependencies_still_starts(engine: Engine) -> None:
    """Rule 55: all of them skipped."""
    engine.define("f", step("a", **GO), step("b", **GO), step("join", "a", "b"))
    run_id = engine.run("f", {})
    assert engine.take("join").input == {}
    assert engine.skips(run_id) == {"a": "condition_unmet", "b": "condition_unmet"}


def test_a_join_waits_for_running_dependencies_while_others_are_skipped(engine: Engine) -> None:
    """Rule 55: in either order."""
    engine.define("f", step("a"), step("b", "a", **GO), step("c"), step("join", "b", "c"))
    for order in (("a", "c"), ("c", "a")):
        run_id = engine.run("f", {})
        tasks = engine.take_all()
        engine.complete(tasks[order[0]])
        assert engine.step(run_id, "join").status == "pending"
        engine.complete(tasks[order[1]], 1)
        assert engine.take("join").input == {"c": None if order[1] == "a" else 1}


def test_opposite_conditions_run_exactly_one_branch(engine: Engine) -> None:
    """Rule 57: for every input, and for every output of a dependency."""
    condition = {"run": {"kind": "a"}}
    of_dep = {"first": {"kind": "a"}}
    engine.define(
        "f",
        step("yes", required_input=condition),
        step("no", forbidden_input=condition),
        step("first"),
        step("dep_yes", "first", required_input=of_dep),
        step("dep_no", "first", forbidden_input=of_dep),
        step("join", "yes", "no"),
    )
    for value in ({"kind": "a"}, {"kind": "b"}, {}, None, [], "a", 0, [{"kind": "a"}]):
        run_id = engine.run("f", value)
        tasks = engine.take_all()
        met = value == {"kind": "a"}
        assert set(tasks) == {"first", "yes" if met else "no"}, value
        engine.complete(tasks["first"], value)
        assert set(engine.take_all()) == {"dep_yes" if met else "dep_no"}, value
        assert engine.step(run_id, "join").status == "pending"


def test_a_condition_sees_a_map_as_its_array(engine: Engine) -> None:
    """Rule 52: of all items."""
    engine.define("f", map_step("m", "run"), step("b", "m", required_input={"m": [{"ok": True}, {"n": 1}]}))
    some, none = engine.run("f", [1, 2]), engine.run("f", [1, 2])
    for task in engine.claim(10):
        engine.complete(task, {"ok": task.run_id == some, "n": task.task_index})
    assert engine.step(some, "b").status == "running"
    assert engine.step(none, "b").status == "skipped"
