"""The three kinds of patches: RFC 6902, RFC 7396, and Kubernetes' own, which merges lists by a key."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from pgflow_testing.kubernetes.objects import Object, is_object, parts
from pgflow_testing.kubernetes.refusals import Refusal, unknown_format

__all__ = ["patched"]

_KEYS: Final[Mapping[str, str]] = {
    "conditions": "type",
    "containerStatuses": "name",
    "containers": "name",
    "env": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""The lists of objects that a strategic merge merges; others it replaces."""

_SETS: Final = {"finalizers"}


def patched(item: Object, patch: Any, content_type: str) -> Object:
    """Return a copy of an object with a patch applied; raises Refusal."""
    apply = _APPLIES.get(content_type.partition(";")[0].strip())
    if apply is None:
        raise unknown_format(_APPLIES)
    try:
        result = apply(copy.deepcopy(item), patch)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        message = f"the server could not apply the patch: {error!r}"
        raise Refusal(422, "Invalid", message) from None
    if not is_object(result):
        raise Refusal(422, "Invalid", "the patch leaves no object")
    return result


def _merge(at: Any, patch: Any) -> Any:
    if not is_object(patch):
        return patch
    merged: Object = dict(at) if is_object(at) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _merge_strategically(at: Any, patch: Any) -> Any:
    if not is_object(patch):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged: Object = dict(at) if is_object(at) else {}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            merged[name] = [each for each in parts(merged, name) if each not in value]
        elif key.startswith(("$setElementOrder/", "$retainKeys")):
            continue
        elif value is None:
            merged.pop(key, None)
        elif isinstance(value, list) and key in _KEYS:
            merged[key] = _merge_list(merged.get(key) or [], parts(patch, key), _KEYS[key])
        elif isinstance(value, list) and key in _SETS:
            there, more = parts(merged, key), parts(patch, key)
            merged[key] = [*there, *(each for each in more if each not in there)]
        else:
            merged[key] = _merge_strategically(merged.get(key), value)
    return merged


def _merge_list(there: list[Object], patch: list[Object], key: str) -> list[Object]:
    if any(each.get("$patch") == "replace" for each in patch):
        return [each for each in patch if "$patch" not in each]
    merged = {each.get(key): each for each in there}
    for each in patch:
        if each.get("$patch") == "delete":
            merged.pop(each.get(key), None)
        else:
            merged[each[key]] = _merge_strategically(merged.get(each[key]), each)
    return list(merged.values())


def _apply_operations(item: Any, patch: Any) -> Any:
    for operation in cast("list[Object]", patch):
        _apply_operation(item, operation)
    return item


def _apply_operation(item: Any, operation: Object) -> None:
    *above, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    at: Any = item
    for key in above:
        at = _at(at, key)
    does, is_list = operation["op"], _is_list(at)
    if does not in {"add", "remove", "replace", "test"}:
        raise ValueError(f"the operation {does} is not served")
    if does == "add" and is_list:
        at.insert(len(at) if last == "-" else int(last), operation["value"])
    elif does == "add":
        at[last] = operation["value"]
    else:
        where: Any = int(last) if is_list else last
        if does == "test" and at[where] != operation["value"]:
            raise ValueError(f"{operation['path']} is not {operation['value']!r}")
        if does == "replace":
            _ = at[where]  # what is not there cannot be replaced
            at[where] = operation["value"]
        if does == "remove":
            del at[where]


def _is_list(at: object) -> bool:
    return isinstance(at, list)


def _at(at: Any, key: str) -> Any:
    return at[int(key)] if _is_list(at) else at[key]


_APPLIES: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "application/json-patch+json": _apply_operations,
    "application/merge-patch+json": _merge,
    "application/strategic-merge-patch+json": _merge_strategically,
}
