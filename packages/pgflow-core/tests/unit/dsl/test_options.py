"""Options of steps and flows: the JSON they become, and the values that are refused."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgflow import DefinitionError, Node, flow, map_step, step
from pgflow.graph import DEFAULT_OPTIONS


def one(a: int) -> int:
    return a


def define(flow_options=None, **options):
    @flow(slug="f", **(flow_options or {}))
    def optioned(n: Node[int]) -> Node[int]:
        return step(one, n, **options)

    return optioned.definition.to_json()


def options_of(**options):
    return define(**options)["steps"][0].get("options", {})


@pytest.mark.parametrize(
    ("name", "given_value", "stored"),
    [
        ("max_attempts", 1, 1),
        ("base_delay", 0, 0),
        ("base_delay", timedelta(milliseconds=250), 0.25),
        ("max_delay", timedelta(hours=1), 3600),
        ("backoff", "fixed", "fixed"),
        ("jitter", 0.5, 0.5),
        ("timeout", 2.0, 2),
        ("timeout", timedelta(minutes=2), 120),
        ("start_delay", 1.5, 1.5),
        ("launch_timeout", 10, 10),
        ("heartbeat_timeout", None, None),
        ("heartbeat_timeout", 5, 5),
        ("when_exhausted", "fail", "fail"),
        ("priority", -100, -100),
    ],
)
def test_values_are_stored_as_the_engine_wants_them(name, given_value, stored):
    assert options_of(**{name: given_value}) == {name: stored}
    assert define({name: given_value})["options"] == {name: stored}


WRONG = [
    ("max_attempts", 0),
    ("max_attempts", True),
    ("max_attempts", 2.0),
    ("max_attempts", "3"),
    ("max_attempts", 1_000_001),
    ("base_delay", -1),
    ("base_delay", "1"),
    ("base_delay", True),
    ("max_delay", float("nan")),
    ("max_delay", float("inf")),
    ("max_delay", timedelta(seconds=-1)),
    ("max_delay", timedelta(days=3660)),
    ("backoff", "linear"),
    ("jitter", -0.1),
    ("jitter", None),
    ("timeout", 0),
    ("timeout", timedelta(0)),
    ("timeout", None),
    ("start_delay", -1),
    ("launch_timeout", 0),
    ("heartbeat_timeout", 0),
    ("when_exhausted", "retry"),
    ("when_exhausted", None),
    ("when_unmet", "ignore"),
    ("priority", 101),
    ("priority", 0.5),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_values_are_refused_by_name(name, value):
    with pytest.raises(DefinitionError) as caught:
        define(**{name: value})
    assert (caught.value.flow, caught.value.step, caught.value.option) == ("f", "one", name)
    assert "takes" in str(caught.value)
    with pytest.raises(DefinitionError) as caught:
        define({name: value})
    assert (caught.value.flow, caught.value.step, caught.value.option) == ("f", None, name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("retries", "known are"), ("max_attempt", "did you mean 'max_attempts'"), ("slugs", "'slug'")],
)
def test_unknown_options_are_refused_with_a_hint(name, hint):
    with pytest.raises(DefinitionError, match=f"option '{name}': no such option: .*{hint}"):
        define(**{name: 3})


@pytest.mark.parametrize("name", ["max_failures", "required_input"])
def test_options_of_maps_and_of_the_engine_are_no_options_of_a_step(name):
    with pytest.raises(DefinitionError, match="no such option"):
        define(**{name: 1})


@pytest.mark.parametrize("name", ["after", "when", "unless", "max_failures"])
def test_a_flow_gives_no_default_for_what_belongs_to_one_step(name):
    with pytest.raises(DefinitionError, match="no such option"):
        define({name: []})


def test_a_map_takes_max_failures():
    @flow
    def mapped(numbers: Node[list[int]]) -> Node[list[int | None]]:
        return map_step(one, numbers, max_failures=2).items_or_none()

    assert mapped.definition.steps[0].options == {"max_failures": 2}


def test_defaults_are_not_filled_in():
    assert "options" not in define()
    assert "options" not in define()["steps"][0]
    assert define({"priority": 0}, max_attempts=3)["options"] == {"priority": 0}


def test_options_are_in_a_stable_order():
    given_order = dict.fromkeys(["priority", "timeout", "max_attempts"], 1)
    assert list(options_of(**given_order)) == ["max_attempts", "timeout", "priority"]


def test_when_unmet_wants_a_condition():
    with pytest.raises(DefinitionError, match="option 'when_unmet': has no effect without a condition"):
        define(when_unmet="fail")
    assert define({"when_unmet": "fail"})["options"] == {"when_unmet": "fail"}


@given(st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=3650)))
def test_a_timedelta_means_its_seconds(duration):
    assert options_of(timeout=duration) == options_of(timeout=duration.total_seconds())


def test_every_option_of_the_engine_can_be_given():
    from pgflow.dsl import MapOptions

    own = {"slug", "after", "runs_on", "when", "unless"}
    assert MapOptions.__optional_keys__ - own == DEFAULT_OPTIONS.keys() - {
        "required_input",
        "forbidden_input",
    }
