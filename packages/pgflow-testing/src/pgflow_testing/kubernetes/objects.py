"""Reads objects of the API, in which any part may be missing."""

from __future__ import annotations

from typing import Any, TypeGuard, cast

__all__ = ["Object", "is_object", "part", "parts", "place", "take_off"]

Object = dict[str, Any]


def is_object(value: object) -> TypeGuard[Object]:
    """Say whether something is an object of JSON."""
    return isinstance(value, dict)


def part(item: Object, *path: str) -> Object:
    """Return the object at a path; an empty one where there is none."""
    for key in path:
        item = cast("Object", item.get(key) or {})
    return item


def parts(item: Object, *path: str) -> list[Any]:
    """Return the list at a path; an empty one where there is none."""
    *above, last = path
    return cast("list[Any]", part(item, *above).get(last) or [])


def place(item: Object) -> tuple[str, str]:
    """Return its namespace, if it has one, and its name."""
    about = item["metadata"]
    return about.get("namespace") or "", about["name"]


def take_off(item: Object, finalizer: str) -> None:
    """Take a finalizer off, in place."""
    about = item["metadata"]
    about["finalizers"] = [each for each in parts(about, "finalizers") if each != finalizer]
