"""Checks that a condition's pattern can match at all, against the JSON schema of what it tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

__all__ = ["pattern_problem"]

Schema = Mapping[str, Any]


def pattern_problem(pattern: object, schema: Schema | None) -> str | None:
    """Say which field of `pattern` a value of `schema` never has, None if there is none to be seen."""
    if schema is None:
        return None
    return _problem(pattern, schema, schema.get("$defs", {}), "")


def _problem(pattern: object, schema: Schema, defs: Schema, path: str) -> str | None:
    if isinstance(pattern, Mapping):
        for key, inner in cast("Mapping[str, object]", pattern).items():
            problem = _field_problem(key, inner, schema, defs, f"{path}.{key}" if path else key)
            if problem is not None:
                return problem
    elif isinstance(pattern, list):
        items = [branch["items"] for branch in _branches(schema, defs) if "items" in branch]
        for inner in cast("list[object]", pattern) if items else []:
            problem = _problem(inner, {"anyOf": items}, defs, f"{path}[]")
            if problem is not None:
                return problem
    return None


def _field_problem(key: str, pattern: object, schema: Schema, defs: Schema, path: str) -> str | None:
    known: set[str] = set()
    fields: list[Schema] = []
    for branch in _branches(schema, defs):
        properties = branch.get("properties")
        if properties is None or branch.get("additionalProperties", False) is not False:
            return None
        known.update(properties)
        if key in properties:
            fields.append(properties[key])
    if fields:
        return _problem(pattern, {"anyOf": fields}, defs, path)
    if not known:
        return None
    return f"there is no field {path!r}, only {', '.join(sorted(known))}"


def _branches(schema: Schema, defs: Schema) -> Iterator[Schema]:
    """Yield the alternatives of a schema that may be an object or a list, references followed."""
    if "$ref" in schema:
        yield from _branches(defs.get(schema["$ref"].rpartition("/")[2], {}), defs)
    elif "anyOf" in schema or "oneOf" in schema:
        for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from _branches(branch, defs)
    elif schema.get("type") not in {"null", "string", "number", "integer", "boolean"}:
        yield schema
