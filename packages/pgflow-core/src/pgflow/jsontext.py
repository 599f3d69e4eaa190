"""JSON text taken apart without changing it: what is only passed on keeps every digit of its numbers."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from pgflow.jsonb import is_object

__all__ = ["DEEPEST", "is_too_deep", "load", "members", "storable"]

DEEPEST: Final = 190
"""Levels of nesting that a value may have: it is read inside of others, and pydantic reads 200."""
_AROUND: Final = 200 - DEEPEST

_SHOWN: Final = 20
_BETWEEN: Final = re.compile(r"[\s,:]*")


def load(text: str) -> Any:
    """Decode JSON text that is to be stored; raises ValueError for what nobody could read again.

    That is NaN, which PostgreSQL refuses too, and a number like 1e999, which only PostgreSQL can hold.
    """
    return _decoded(_FINITE, text)


def members(text: str) -> dict[str, str]:
    """Return the members of a JSON object, each value as its text; raises ValueError if it is none."""
    if not is_object(_decoded(_ANY_SIZE, text)):
        raise ValueError("it is not a JSON object")
    decode = json.JSONDecoder().raw_decode
    found: dict[str, str] = {}
    # The text is valid, so between two values stand only spaces and punctuation.
    at = _after(text, text.index("{") + 1)
    while text[at] != "}":
        key, at = decode(text, at)
        start = _after(text, at)
        _, end = decode(text, start)
        found[key] = text[start:end]
        at = _after(text, end)
    return found


def is_too_deep(text: str) -> bool:
    """Tell whether JSON text is nested deeper than it could be read again."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    from pydantic_core import from_json  # loaded by whoever has such a text, not by `import pgflow`

    try:
        from_json("[" * _AROUND + text + "]" * _AROUND)
    except ValueError as error:
        return "recursion limit" in str(error)
    return False


def storable(text: str) -> str:
    """Replace what jsonb and log files refuse: NUL and lone surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _after(text: str, at: int) -> int:
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _decoded(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoder.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        raise ValueError(f"{shown} is too large a number")
    return number


_ANY_SIZE: Final = json.JSONDecoder(parse_constant=_refuse_constant)
_FINITE: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
