"""Reads objects of the API, in which any part may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

__all__ = ["Object", "condition", "moment", "owner_uids", "part", "parts", "text", "uid_of"]

Object = Mapping[str, Any]


def part(item: Object, *path: str) -> Object:
    """Return the object at a path; an empty one where there is none."""
    for key in path:
        item = cast("Object", item.get(key) or {})
    return item


def parts(item: Object, *path: str) -> Sequence[Object]:
    """Return the list of objects at a path; an empty one where there is none."""
    *above, last = path
    return cast("Sequence[Object]", part(item, *above).get(last) or ())


def text(item: Object, key: str) -> str:
    """Return a text; an empty one where there is none."""
    return str(item.get(key) or "")


def moment(item: Object, key: str) -> datetime | None:
    """Return a time; None where there is none."""
    written = text(item, key)
    return datetime.fromisoformat(written) if written else None


def condition(item: Object, kind: str, status: str = "True") -> Object | None:
    """Return a condition of an object's status, if it has that status."""
    found = parts(item, "status", "conditions")
    return next((each for each in found if (each["type"], each["status"]) == (kind, status)), None)


def uid_of(item: Object) -> str:
    """Return who it is; the name is but its place."""
    return text(part(item, "metadata"), "uid")


def owner_uids(item: Object) -> set[str]:
    """Return the uids of its owners."""
    return {text(owner, "uid") for owner in parts(item, "metadata", "ownerReferences")}
