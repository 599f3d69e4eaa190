"""Map steps: their items, their output, what feeds them."""

from __future__ import annotations

import random

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report


def test_the_output_is_in_item_order(engine: Engine) -> None:
    """Rule 32: not in completion order; nulls keep their place."""
    engine.define("f", map_step("m", "run"), step("end", "m"))
    for seed in range(5):
        run_id = engine.run("f", list(range(30)))
        tasks = engine.claim(30)
        random.Random(seed).shuffle(tasks)
        for task in tasks:
            engine.complete(task, None if task.task_index % 3 == 0 else task.task_index)
        expected = [None if i % 3 == 0 else i for i in range(30)]
        assert engine.step(run_id, "m").output == expected
        end = engine.take("end")
        assert end.input == {"m": expected}
        engine.complete(end)


def test_one_item_gives_an_array_of_one(engine: Engine) -> None:
    """Rule 32: `[x]`."""
    engine.define("f", map_step("m", "run"), map_step("n", "m"))
    run_id = engine.run("f", [["x"]])
    engine.work_off({"m": ["inner"], "n": None})
    assert engine.step(run_id, "m").output == [["inner"]]
    assert engine.stored_run(run_id).output == {"n": [None]}


def test_a_map_over_a_map_takes_item_i_from_task_i(engine: Engine) -> None:
    """Rule 33: ten deep."""
    depth = 10
    maps = [map_step("m0", "run"), *(map_step(f"m{i}", f"m{i - 1}") for i in range(1, depth))]
    engine.define("f", *maps)
    run_id = engine.run("f", [0, 100, 200])
    for level in range(depth):
        tasks = engine.claim(10)
        assert {t.step_slug for t in tasks} == {f"m{level}"}
        for task in reversed(tasks):
            engine.complete(task, task.input["item"] + 1)
    assert engine.stored_run(run_id).output == {f"m{depth - 1}": [10, 110, 210]}


def test_a_map_over_a_map_waits_for_the_whole_map(engine: Engine) -> None:
    """Rule 30: item i is ready only when every item is done."""
    engine.define("f", map_step("m", "run"), map_step("n", "m"))
    run_id = engine.run("f", [1, 2])
    first, second = engine.claim(2)
    engine.complete(first, "a")
    assert engine.claim(10) == []
    engine.complete(second, "b")
    assert [t.input["item"] for t in engine.claim(10)] == ["a", "b"]
    assert engine.step(run_id, "n").task_count == 2


def test_empty_arrays_cascade_sixty_deep_in_one_transaction(engine: Engine) -> None:
    """Rule 33: no limit of levels; from a root and from a producer."""
    maps = [map_step("m0", "run"), *(map_step(f"m{i}", f"m{i - 1}") for i in range(1, 60))]
    engine.define("root", *maps)
    assert engine.start("root", []).status == "completed"
    below = [map_step("m0", "a"), *(map_step(f"m{i}", f"m{i - 1}") for i in range(1, 60))]
    engine.define("below", step("a"), *below, step("end", "m59"))
    run_id = engine.run("below")
    engine.complete(engine.take("a"), [])
    assert engine.take("end").input == {"m59": []}
    outputs = engine.rows(
        "select output from pgflow.step_states where run_id = %s and step_slug like 'm%%'", run_id
    )
    assert [row[0] for row in outputs] == [[]] * 60


TYPES = [
    (None, "null"),
    ({}, "object"),
    ("x", "string"),
    (3, "number"),
    (True, "boolean"),
    ({"0": 1}, "object"),
]


def test_a_producer_of_no_array_fails_the_map_that_it_feeds(engine: Engine) -> None:
    """Rule 34: TYPE_VIOLATION with producer and type; the producer stays completed."""
    engine.define("f", step("a"), map_step("m", "a", when_exhausted="skip"), step("other"), step("end", "m"))
    for value, name in TYPES:
        run_id = engine.run("f")
        tasks = engine.take_all()
        assert engine.complete(tasks["a"], value) == "completed"
        assert engine.steps(run_id) == {
            "a": "completed", "m": "failed", "other": "cancelled", "end": "cancelled",
        }  # fmt: skip
        assert engine.status(run_id) == "failed"
        for error in (engine.stored_run(run_id).error, engine.step(run_id, "m").error):
            assert (error["code"], error["step_slug"]) == ("TYPE_VIOLATION", "m")
            assert name in str(error)
            assert "'a'" in str(error).replace('"', "'")
        assert engine.complete(tasks["a"], value) == "duplicate"
        assert engine.complete(tasks["other"]) == "stale"
        assert engine.step(run_id, "a").output == value


def test_a_type_violation_in_a_batch_does_not_hurt_the_other_runs(engine: Engine) -> None:
    """Rule 34: each run by itself."""
    engine.define("f", step("a"), map_step("m", "a"))
    runs = [engine.run("f") for _ in range(3)]
    tasks = {t.run_id: t for t in engine.claim(3)}
    outputs = dict(zip(runs, ([1], "no array", []), strict=True))
    assert engine.report(complete_report(tasks[run], outputs[run]) for run in runs) == ["completed"] * 3
    assert [engine.status(run) for run in runs] == ["running", "failed", "completed"]


def test_two_maps_over_one_producer_each_get_all_items(engine: Engine) -> None:
    """Rule 33: items are each map's own."""
    engine.define("f", step("a"), map_step("m", "a"), map_step("n", "a"), step("end", "m", "n"))
    run_id = engine.run("f")
    engine.complete(engine.take("a"), [1, 2])
    for task in engine.claim(10):
        engine.complete(task, [task.step_slug, task.input["item"]])
    assert engine.take("end").input == {"m": [["m", 1], ["m", 2]], "n": [["n", 1], ["n", 2]]}
    assert engine.step(run_id, "m").task_count == 2


def test_a_large_map_of_large_items_comes_back_whole(engine: Engine) -> None:
    """Rule 32: thousands of items, batches shuffled."""
    items = [{"i": i, "pad": "x" * 300} for i in range(3000)]
    engine.define("f", map_step("m", "run"), step("end", "m"))
    run_id = engine.run("f", items)
    seen = 0
    while tasks := [t for t in engine.claim(500) if t.step_slug == "m"]:
        random.Random(seen).shuffle(tasks)
        assert set(engine.report(complete_report(t, t.input["item"]["i"]) for t in tasks)) == {"completed"}
        seen += len(tasks)
        if seen == 3000:
            break
    assert engine.step(run_id, "m").output == list(range(3000))
    assert engine.take("end").input == {"m": list(range(3000))}


def test_a_map_shows_how_many_tasks_it_has(engine: Engine) -> None:
    """DESIGN 3.1: task_count is unknown until the items are."""
    engine.define("f", step("a"), map_step("m", "a"), map_step("n", "m"))
    run_id = engine.run("f")
    assert [engine.step(run_id, slug).task_count for slug in "mn"] == [None, None]
    engine.complete(engine.take("a"), [1, 2, 3])
    assert [engine.step(run_id, slug).task_count for slug in "mn"] == [3, None]
