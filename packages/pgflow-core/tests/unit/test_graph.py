"""Definitions as data."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgflow.errors import DefinitionError
from pgflow.graph import FlowDefinition, StepDefinition, check_slug


@pytest.mark.parametrize("slug", ["a", "_", "A1_b", "x" * 128, "running", "items"])
def test_slug_is_accepted(slug):
    assert check_slug(slug) == slug
    assert check_slug(slug, flow="f") == slug


@pytest.mark.parametrize("slug", ["", "1a", "a-b", "a b", "é", "x" * 129, "run", "item", "a\n"])
def test_slug_is_refused_with_the_mend(slug):
    with pytest.raises(DefinitionError, match="give another with slug="):
        check_slug(slug)


@pytest.mark.parametrize("slug", [None, 3, b"a"])
def test_slug_that_is_no_text_is_refused(slug):
    with pytest.raises(DefinitionError, match="is text, not"):
        check_slug(slug)


@given(st.text(max_size=140))
def test_slug_rule_is_that_of_the_engine(slug):
    import re

    fits = (
        bool(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", slug))
        and len(slug) <= 128
        and slug not in {"run", "item"}
    )
    try:
        check_slug(slug)
    except DefinitionError:
        assert not fits
    else:
        assert fits


def test_only_what_was_given_is_rendered():
    step = StepDefinition("s", "single", "m:f")
    assert step.to_json() == {
        "step_slug": "s",
        "step_type": "single",
        "deps": [],
        "executor": "local",
        "handler": "m:f",
    }
    assert FlowDefinition("f", (step,)).to_json() == {"flow_slug": "f", "steps": [step.to_json()]}


def test_everything_is_rendered_in_a_stable_order():
    step = StepDefinition(
        step_slug="s",
        step_type="map",
        handler="m:f",
        deps=("d",),
        map_over="d",
        needs_run_input=True,
        params={"x": "item"},
        executor="gpu",
        executor_options={"cores": 4},
        options={"timeout": 5},
    )
    flow = FlowDefinition("f", (step,), {"priority": 1}, {"type": "object"}, "s")
    text = json.dumps(flow.to_json())
    assert text == json.dumps(
        {
            "flow_slug": "f",
            "options": {"priority": 1},
            "input_schema": {"type": "object"},
            "returns": "s",
            "steps": [
                {
                    "step_slug": "s",
                    "step_type": "map",
                    "deps": ["d"],
                    "map_over": "d",
                    "needs_run_input": True,
                    "params": {"x": "item"},
                    "executor": "gpu",
                    "executor_options": {"cores": 4},
                    "handler": "m:f",
                    "options": {"timeout": 5},
                }
            ],
        }
    )
