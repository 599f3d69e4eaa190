"""What `define_flow` refuses, and how it says so."""

from __future__ import annotations

from .support.definitions import chain, flow, map_step, step
from .support.engine import Engine, refused

BAD_SLUGS = [None, 5, [], "", "x" * 129, "a-b", "a b", "1a", "run", "item", "é", "a.b", "a\n", " a"]
GOOD_SLUGS = ["a", "_", "A", "snake_case", "camelCase", "a1", "_9", "x" * 128, "Run", "items", "select"]


def test_a_bad_slug_is_refused(engine: Engine) -> None:
    """Rule 1: slugs are letters, digits and `_`, at most 128, no leading digit, not `run`, not `item`."""
    for slug in BAD_SLUGS:
        with refused("PF001", "flow_slug"):
            engine.define_json({"flow_slug": slug, "steps": [step("a")]})
        with refused("PF001", "step_slug"):
            engine.define_json({"flow_slug": "f", "steps": [step("a") | {"step_slug": slug}]})


def test_a_missing_slug_is_refused(engine: Engine) -> None:
    """Rule 1: no slug at all."""
    with refused("PF001", "flow_slug"):
        engine.define_json({"steps": [step("a")]})
    with refused("PF001", "step_slug"):
        engine.define_json({"flow_slug": "f", "steps": [{"handler": "m:f"}]})


def test_a_good_slug_is_accepted_and_kept_as_written(engine: Engine) -> None:
    """Rule 1: letters, digits, `_`, mixed case."""
    for slug in GOOD_SLUGS:
        assert engine.define(slug, step(slug)).flow_slug == slug
        run_id = engine.run(slug)
        assert engine.take(slug).flow_slug == slug
        assert engine.steps(run_id) == {slug: "running"}


CYCLES = {
    "self": [step("a", "a")],
    "two": [step("a", "b"), step("b", "a")],
    "three": [step("a", "c"), step("b", "a"), step("c", "b")],
    "inside": [step("free"), step("a", "free", "c"), step("b", "a"), step("c", "b"), step("end", "c")],
    "a map over itself": [map_step("a", "a")],
    "through a map": [step("a", "m"), map_step("m", "a")],
    "beside a long chain": [
        *chain(*(f"s{i}" for i in range(300))),
        step("a", "z"),
        step("y", "a"),
        step("z", "y"),
    ],
}


def test_a_cycle_is_refused_naming_a_step_of_it(engine: Engine) -> None:
    """Rule 4: cycles and self-dependency."""
    for steps in CYCLES.values():
        with refused("PF001", '"a"', "itself" if len(steps) == 1 else "cycle"):
            engine.define("f", *steps)
    assert not engine.rows("select 1 from pgflow.flows")


BAD_OPTIONS = [
    ("max_attempts", 0),
    ("max_attempts", -1),
    ("max_attempts", 2.5),
    ("max_attempts", "3"),
    ("max_attempts", 3_000_000_000),
    ("base_delay", -1),
    ("base_delay", "soon"),
    ("max_delay", -0.1),
    ("jitter", -0.1),
    ("start_delay", -1),
    ("timeout", 0),
    ("timeout", -1),
    ("timeout", "1 hour"),
    ("launch_timeout", 0),
    ("heartbeat_timeout", 0),
    ("heartbeat_timeout", -5),
    ("backoff", "linear"),
    ("when_exhausted", "ignore"),
    ("when_unmet", "wait"),
    ("max_failures", -1),
    ("max_failures", 1.5),
    ("priority", 101),
    ("priority", -101),
    ("priority", 0.5),
    ("retries", 3),
    ("Timeout", 3),
]


def test_a_bad_option_is_refused_naming_step_and_key(engine: Engine) -> None:
    """Rule 5: unknown option, negative delay, max_attempts < 1, timeout <= 0, wrong type."""
    for key, value in BAD_OPTIONS:
        with refused("PF001", "broken", key):
            engine.define("f", step("fine"), map_step("broken", "run", **{key: value}))
        assert not engine.rows("select 1 from pgflow.flows")


BAD_DEFAULTS = [("max_attempts", 0), ("base_delay", -1), ("timeout", 0), ("retries", 3), ("when_unmet", 1)]


def test_a_bad_flow_default_is_refused_naming_the_key(engine: Engine) -> None:
    """Rule 5: the flow's defaults are held to the same."""
    for key, value in BAD_DEFAULTS:
        with refused("PF001", key):
            engine.define("f", step("a"), options={key: value})


def test_an_unknown_dependency_is_refused_naming_both(engine: Engine) -> None:
    """Rule 5: unknown dependency."""
    with refused("PF001", "broken", "nowhere"):
        engine.define("f", step("a"), step("broken", "a", "nowhere"))


def test_a_duplicate_step_is_refused(engine: Engine) -> None:
    """Rule 5: duplicate step."""
    with refused("PF001", "twice"):
        engine.define("f", step("twice"), step("b"), step("twice", "b"))


def test_a_dependency_listed_twice_is_refused(engine: Engine) -> None:
    """Rule 5: or a step would wait for it for ever."""
    with refused("PF001", "broken", "deps"):
        engine.define("f", step("a"), step("broken", "a", "a"))


BAD_STEP_KEYS = [
    ({"colour": "red"}, "colour"),
    ({"step_type": "loop"}, "step_type"),
    ({"deps": "fine"}, "deps"),
    ({"deps": [1]}, "deps"),
    ({"map_over": "fine"}, "map_over"),
    ({"needs_run_input": "yes"}, "needs_run_input"),
    ({"params": {"x": "nowhere"}}, "params"),
    ({"params": {"x": "item"}}, "params"),
    ({"params": ["fine"]}, "params"),
    ({"executor_options": []}, "executor_options"),
    ({"executor": 5}, "executor"),
    ({"handler": 5}, "handler"),
    ({"options": []}, "options"),
]


def test_a_bad_step_key_is_refused_naming_step_and_key(engine: Engine) -> None:
    """Rule 5: PF001 names the step and the key."""
    for change, key in BAD_STEP_KEYS:
        with refused("PF001", "broken", key):
            engine.define("f", step("fine"), step("broken", "fine") | change)


BAD_SOURCES: list[dict[str, object]] = [{"map_over": value} for value in ("nowhere", "beside", None, 5, [])]


def test_a_map_over_nothing_it_depends_on_is_refused(engine: Engine) -> None:
    """Rule 6: a map step maps over the flow input or over one of its deps."""
    for change in BAD_SOURCES:
        with refused("PF001", "broken", "map_over"):
            engine.define("f", step("fine"), step("beside"), map_step("broken", "fine") | change)


def test_a_map_without_map_over_is_refused(engine: Engine) -> None:
    """Rule 6: what it maps over is said."""
    with refused("PF001", "broken", "map_over"):
        engine.define("f", step("broken") | {"step_type": "map"})


BAD_FLOW_KEYS = [
    ({"colour": 1}, "colour"),
    ({"returns": "nowhere"}, "returns"),
    ({"returns": 5}, "returns"),
    ({"steps": {}}, "steps"),
    ({"steps": None}, "step"),
    ({"steps": ["a"]}, "step"),
    ({"options": 3}, "options"),
    ({"input_schema": []}, "input_schema"),
]


def test_a_bad_flow_key_is_refused_naming_it(engine: Engine) -> None:
    """Rule 5: unknown and misshapen keys of the flow."""
    for change, key in BAD_FLOW_KEYS:
        with refused("PF001", key):
            engine.define_json(flow("f", step("a")) | change)


def test_a_flow_without_steps_is_refused(engine: Engine) -> None:
    """Rule 9: no steps, or no key `steps`."""
    with refused("PF001", "step"):
        engine.define("f")
    with refused("PF001", "step"):
        engine.define_json({"flow_slug": "f"})


def test_a_definition_that_is_no_object_is_refused(engine: Engine) -> None:
    """Rule 5: a definition is an object; JSON null and SQL NULL are none."""
    for definition in ([], "f", 5, None):
        with refused("PF001"):
            engine.define_json(definition)
    with refused("PF001"):
        engine.rows("select * from pgflow.define_flow(null)")


def test_a_flow_wide_condition_names_what_the_steps_receive(engine: Engine) -> None:
    """Rule 52: PF001 naming the step, rather than a step that is skipped in every run."""
    with refused("PF001", '"root"', "required_input", '"a"'):
        engine.define("f", step("a", required_input={}), step("root"), required_input={"a": {}})
    with refused("PF001", "forbidden_input", '"typo"'):
        engine.define("f", step("a"), step("b", "a"), forbidden_input={"typo": {}})
    engine.define(
        "f", step("a", required_input={}), step("b", "a"), required_input={"run": {}, "a": {"x": 1}}
    )
    engine.define("g", step("a"), step("b", "a"), forbidden_input={"a": {"x": 1}})
    run_id = engine.run("g")
    engine.complete(engine.take("a"), {"x": 1})
    assert engine.skips(run_id) == {"b": "condition_unmet"}
