"""Decoded JSON values, seen as PostgreSQL's jsonb sees them."""

from __future__ import annotations

from typing import Any, TypeGuard

__all__ = ["contains", "is_array", "is_object"]


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether a decoded JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Tell whether a decoded JSON value is an array."""
    return isinstance(value, list)


def contains(value: object, pattern: object) -> bool:
    """Tell what `value @> pattern` tells anywhere below the top level of a jsonb."""
    if is_object(pattern):
        return is_object(value) and all(
            key in value and contains(value[key], pattern[key]) for key in pattern
        )
    if is_array(pattern):
        return is_array(value) and all(any(contains(item, part) for item in value) for part in pattern)
    if isinstance(pattern, bool) or isinstance(value, bool):
        return value is pattern
    return not isinstance(value, dict | list) and value == pattern
