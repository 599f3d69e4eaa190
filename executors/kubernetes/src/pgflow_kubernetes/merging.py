"""Merges parts of manifests: objects key by key, lists of named things name by name, null takes away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard, cast

__all__ = ["merged"]

_RIVALS: Final = {"value": "valueFrom", "valueFrom": "value"}


def merged(base: Any, patch: Any) -> Any:
    """Return `base` with `patch` over it; neither is changed.

    A list whose items all have a "name" is merged item by item, any other is replaced.  Items are the same by
    their "mountPath", where they have one, as a volume may be mounted twice; else by their "name".
    """
    if _is_object(base) and _is_object(patch):
        whole = dict(base)
        for key, value in patch.items():
            if value is None:
                whole.pop(key, None)
            else:
                whole[key] = merged(whole.get(key), value)
        return whole
    if _are_named(base) and _are_named(patch):
        items = {_key(item): item for item in base}
        for item in patch:
            items[_key(item)] = merged(_without_rivals(items.get(_key(item), {}), item), item)
        return list(items.values())
    return merged({}, patch) if _is_object(patch) else patch


def _key(item: Mapping[str, Any]) -> Any:
    return item.get("mountPath") or item["name"]


def _without_rivals(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the value of a variable whose source is given now, and the other way round: it has one."""
    return {key: value for key, value in base.items() if _RIVALS.get(key) not in patch}


def _is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _are_named(value: object) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return bool(items) and all(_is_object(item) and "name" in item for item in items)
