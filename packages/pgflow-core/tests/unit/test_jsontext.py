"""JSON objects taken apart: every member as the text it came as."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgflow import jsontext

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@given(
    st.dictionaries(st.text(), values),
    st.sampled_from([None, 0, 1, "\t"]),
    st.booleans(),
    st.sampled_from(["", "\n "]),
)
def test_members_are_the_texts_of_the_values(document, indent, ascii_only, around):
    text = around + json.dumps(document, indent=indent, ensure_ascii=ascii_only) + around
    found = jsontext.members(text)
    assert {key: json.loads(value) for key, value in found.items()} == document
    assert all(value in text for value in found.values())


def test_numbers_keep_all_their_digits():
    text = '{"a":{"n" : [1.10, 12345678901234567890.123456789, 1e400]} , "b":2.50}'
    assert jsontext.members(text) == {
        "a": '{"n" : [1.10, 12345678901234567890.123456789, 1e400]}',
        "b": "2.50",
    }


def test_a_number_that_no_float_can_hold_is_passed_on_but_not_loaded():
    assert jsontext.load("[1e308, -1e308, 1e-999]") == [1e308, -1e308, 0.0]
    with pytest.raises(ValueError, match="-1e999 is too large a number"):
        jsontext.load("[-1e999]")
    with pytest.raises(ValueError, match=r"9{20}\.\.\. is too large a number"):
        jsontext.load("9" * 400 + ".5")


def test_the_last_of_two_members_of_one_name_counts():
    assert jsontext.members('{"a": 1, "a": 2}') == {"a": "2"}


@pytest.mark.parametrize("text", ["", "[]", "1", '"{"', '{"a": NaN}', '{"a": 1', "{}}", "[" * 100_000])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        jsontext.members(text)
