"""Label and field selectors, as lists and watches take them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from pgflow_testing.kubernetes.objects import Object, is_object, part
from pgflow_testing.kubernetes.refusals import Refusal

__all__ = ["matches", "selecting"]

Test = Callable[[Object], bool]

_SET: Final = re.compile(r"(?P<key>\S+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL: Final = re.compile(r"(?P<key>[^\s!=]+)\s*(?P<operator>==|=|!=)\s*(?P<values>[^\s!=]*)")
_EXISTS: Final = re.compile(r"(?P<operator>!?)\s*(?P<key>[^\s!=()]+)")
_COMMA: Final = re.compile(r",(?![^()]*\))")


def selecting(labels: str, fields: str) -> Test:
    """Return the test of both selectors; raises Refusal."""
    tests = [*map(_label_test, _terms(labels)), *map(_field_test, _terms(fields))]
    return lambda item: all(test(item) for test in tests)


def matches(wanted: dict[str, str], item: Object) -> bool:
    """Say whether an object has all of these labels."""
    labels = part(item, "metadata", "labels")
    return all(labels.get(key) == value for key, value in wanted.items())


def _terms(selector: str) -> list[str]:
    return [term.strip() for term in _COMMA.split(selector) if term.strip()]


def _label_test(term: str) -> Test:
    found = _SET.fullmatch(term) or _EQUAL.fullmatch(term)
    if found is None:
        found = _EXISTS.fullmatch(term)
        if found is None:
            raise Refusal(400, "BadRequest", f"unable to parse requirement: {term!r}")
        key, wanted = found["key"], not found["operator"]
        return lambda item: (key in part(item, "metadata", "labels")) is wanted
    key, is_in = found["key"], found["operator"] in {"in", "=", "=="}
    values = {value.strip() for value in found["values"].split(",")}

    def test(item: Object) -> bool:
        # A label that is not there is in no set.
        return (part(item, "metadata", "labels").get(key) in values) is is_in

    return test


def _field_test(term: str) -> Test:
    found = _EQUAL.fullmatch(term)
    if found is None:
        raise Refusal(400, "BadRequest", f"invalid selector: {term!r}; can't understand {term!r}")
    path, is_equal, value = found["key"].split("."), found["operator"] != "!=", found["values"]

    def test(item: Object) -> bool:
        at: object = item
        for key in path:
            at = at.get(key) if is_object(at) else None
        return (("" if at is None else str(at)) == value) is is_equal

    return test
