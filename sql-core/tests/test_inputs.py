"""What a handler is given."""

from __future__ import annotations

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report

VALUES = [0, False, "", None, [], {}, 1.5, "x", [None], {"a": {"b": []}}, 12345678901234567890, "é\u2028😀"]


def test_run_is_given_only_if_asked_for(engine: Engine) -> None:
    """Rule 22: needs_run_input."""
    engine.define("f", step("a"), step("b", needs_run_input=True), step("c", "b", needs_run_input=True))
    engine.run("f", {"x": 1})
    tasks = engine.take_all()
    assert tasks["a"].input == {}
    assert tasks["b"].input == {"run": {"x": 1}}
    engine.complete(tasks["b"], 2)
    assert engine.take("c").input == {"run": {"x": 1}, "b": 2}


def test_each_completed_dependency_is_a_key(engine: Engine) -> None:
    """Rule 22: direct ones only."""
    engine.define("f", step("a"), step("b", "a"), step("c"), step("d", "b", "c"))
    engine.run("f")
    for _ in range(3):
        task = engine.take()
        engine.complete(task, {"from": task.step_slug})
    assert engine.take("d").input == {"b": {"from": "b"}, "c": {"from": "c"}}


def test_values_reach_a_dependent_and_the_client_unchanged(engine: Engine) -> None:
    """Rule 36: and rule 22: a null output is a key with JSON null."""
    engine.define("f", step("a"), step("b", "a"), returns="a")
    for value in VALUES:
        run_id = engine.run("f", value)
        engine.complete(engine.take("a"), value)
        task = engine.take("b")
        assert task.input == {"a": value}
        assert type(task.input["a"]) is type(value)
        engine.complete(task, value)
        assert engine.stored_run(run_id).output == {"a": value, "b": value}
        assert engine.step(run_id, "a").output == value
        assert engine.stored_run(run_id).input == value


def test_values_of_items_reach_a_dependent_and_the_client_unchanged(engine: Engine) -> None:
    """Rule 36: given, put out, handed on item by item and as one array, and told by get_run."""
    engine.define("f", map_step("m", "run"), map_step("n", "m"), step("end", "m"))
    run_id = engine.run("f", VALUES)
    for slug in ("m", "n"):
        tasks = [task for task in engine.claim(100) if task.step_slug == slug]
        assert repr([task.input["item"] for task in tasks]) == repr(VALUES)
        engine.report(complete_report(task, task.input["item"]) for task in tasks)
        if slug == "m":
            end = engine.take("end")
            assert repr(end.input) == repr({"m": VALUES})
            engine.complete(end, VALUES)
    assert repr(engine.stored_run(run_id).output["n"]) == repr(VALUES)
    assert repr(engine.get_run(run_id)["output"]["end"]) == repr(VALUES)
    assert repr([task.output for task in engine.tasks(run_id, "n")]) == repr(VALUES)


def test_a_skipped_dependency_has_no_key(engine: Engine) -> None:
    """Rule 22: skipped by condition and by failure."""
    engine.define(
        "f",
        step("cond", required_input={"run": {"x": 1}}),
        step("broken", when_exhausted="skip", max_attempts=1),
        step("fine"),
        step("end", "cond", "broken", "fine"),
    )
    engine.run("f", {})
    tasks = engine.take_all()
    assert set(tasks) == {"broken", "fine"}
    assert engine.fail(tasks["broken"]) == "failed"
    engine.complete(tasks["fine"], 1)
    assert engine.take("end").input == {"fine": 1}


def test_a_map_task_is_given_its_own_item(engine: Engine) -> None:
    """Rule 23: plus its plain inputs, and `run` only if needs_run_input; never the whole source."""
    engine.define(
        "f",
        step("a"),
        step("b"),
        map_step("m", "a", "b"),
        map_step("n", "run"),
        map_step("o", "run", "b", needs_run_input=True),
        map_step("p", "a", needs_run_input=True),
    )
    engine.run("f", ["r0", None])
    first = engine.take_all()
    engine.complete(first["a"], ["a0", None])
    engine.complete(first["b"], "B")
    tasks = first | engine.take_all()
    assert tasks["m[0]"].input == {"item": "a0", "b": "B"}
    assert tasks["m[1]"].input == {"item": None, "b": "B"}
    assert tasks["n[1]"].input == {"item": None}
    assert tasks["o[0]"].input == {"item": "r0", "b": "B", "run": ["r0", None]}
    assert tasks["p[0]"].input == {"item": "a0", "run": ["r0", None]}
    assert len(tasks) == 10


def test_a_whole_map_is_one_input_of_a_single_step(engine: Engine) -> None:
    """Rule 32: its array, in item order; a map's plain dependency too."""
    engine.define("f", map_step("m", "run"), step("b", "m"), map_step("n", "run", "m"))
    engine.run("f", [1, 2, 3])
    for task in reversed(engine.claim(3)):
        engine.complete(task, task.input["item"] * 10)
    tasks = engine.take_all()
    assert tasks["b"].input == {"m": [10, 20, 30]}
    assert tasks["n[1]"].input == {"item": 2, "m": [10, 20, 30]}


def test_params_travel_with_the_claim(engine: Engine) -> None:
    """DESIGN 3.2: the runtime binds arguments by parameter name; the engine only hands them on."""
    params = {"x": "a", "whole": "run", "limit": {"const": {"n": [1, None]}}}
    engine.define(
        "f",
        step("a"),
        step("b", "a", params=params, needs_run_input=True),
        map_step("m", "run", params={"it": "item"}),
    )
    engine.run("f", [1])
    tasks = engine.take_all()
    engine.complete(tasks["a"], 5)
    tasks |= engine.take_all()
    assert tasks["b"].params == params
    assert tasks["b"].input == {"a": 5, "run": [1]}
    assert tasks["m[0]"].params == {"it": "item"}


def test_inputs_none_leaves_the_input_to_the_handshake(engine: Engine) -> None:
    """DESIGN 3.3: the task fetches it when it starts."""
    engine.define("f", step("a"), step("b", "a", needs_run_input=True), map_step("m", "run", "a"))
    engine.run("f", ["i"])
    first = engine.take("a", inputs="none")
    assert first.input is None
    engine.complete(first, "A")
    for task in engine.claim(2, inputs="none", mode="launch"):
        assert task.input is None
        begun = engine.begin(task)
        expected = {"b": {"a": "A", "run": ["i"]}, "m": {"item": "i", "a": "A"}}
        assert (begun.status, begun.input) == ("started", expected[task.step_slug])


def test_a_retry_is_given_the_same_input(engine: Engine) -> None:
    """Rule 22: whatever happened in between."""
    engine.define("f", map_step("m", "run", base_delay=1), step("b", "m"))
    engine.at(0)
    engine.run("f", [{"x": 1}, {"x": 2}])
    first, second = engine.claim(2)
    engine.fail(second)
    engine.complete(first)
    engine.wait(60)
    again = engine.take("m")
    assert (again.task_index, again.input, again.attempt) == (1, second.input, 2)


def test_a_long_list_of_texts_does_not_hold_up_those_who_read_it(engine: Engine) -> None:
    """Rule 38: inputs and outputs are put together in time that grows with their size alone."""
    texts = [f"{number:014}" for number in range(600_000)]
    engine.define("f", step("a"), map_step("m", "run"), step("b", "a", "m"), returns="a")
    run_id = engine.run("f", [1])
    engine.rows("set statement_timeout to '100s'")
    tasks = engine.take_all()
    engine.complete(tasks["a"], texts)
    engine.complete(tasks["m[0]"], 1)
    task = engine.take("b")
    assert task.input == {"a": texts, "m": [1]}
    engine.complete(task)
    assert engine.stored_run(run_id).output == {"a": texts, "b": None}


def test_many_dependencies_large_and_small_make_one_object(engine: Engine) -> None:
    """Rule 22: one key each, whatever the way it is put together."""
    sizes = {f"s{number}": 70_000 if number % 5 == 0 else number for number in range(20)}
    engine.define("f", *(step(slug) for slug in sizes), step("end", *sizes))
    engine.run("f")
    for slug, task in engine.take_all().items():
        engine.complete(task, "x" * sizes[slug])
    assert engine.take("end").input == {slug: "x" * size for slug, size in sizes.items()}
