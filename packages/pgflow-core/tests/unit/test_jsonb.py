"""Containment as `jsonb @>` has it; the engine's own answers are compared in the integration tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgflow.jsonb import contains

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
)


@pytest.mark.parametrize(
    ("value", "pattern", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": [1, 2, 3]}}, {"a": {"b": [3, 1]}}, True),
        ([1, [1, 2]], [[2]], True),
        ([1], [1, 1, 1], True),
        ([], [], True),
        ({}, [], False),
        ([], {}, False),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (True, True, True),
        ("a", ["a"], False),
        (["a"], "a", False),
        (None, {}, False),
    ],
)
def test_contains(value, pattern, expected):
    assert contains(value, pattern) is expected


@given(values)
def test_a_value_contains_itself(value):
    assert contains(value, value)


@given(st.dictionaries(st.text(max_size=2), values, max_size=4), st.data())
def test_an_object_contains_each_of_its_parts(value, data):
    keys = data.draw(st.sets(st.sampled_from(sorted(value)))) if value else set()
    assert contains(value, {key: value[key] for key in keys})
