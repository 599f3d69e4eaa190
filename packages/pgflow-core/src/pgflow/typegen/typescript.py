"""A JSON schema as a TypeScript type.

What TypeScript cannot say (ranges, patterns, formats) is left out, what this does not know is `unknown`: the
type takes at least what the schema takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pgflow.jsonb import is_array, is_object

__all__ = ["TypeWriter", "comment", "key"]

_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
_NAMES: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
_STEP: Final = "  "


class TypeWriter:
    """Writes types whose references are named by `names`: the definition's name -> the one in TypeScript."""

    def __init__(self, definitions: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self._definitions = definitions
        self._names = names

    def write(self, schema: Any, indent: str = "") -> str:
        """Return the type of a schema; lines after the first begin with `indent`."""
        return " | ".join(self._members(schema, indent))

    def object(self, fields: Iterable[tuple[str, Any, bool]], indent: str = "", index: str = "") -> str:
        """Return the type of an object with these (key, schema, is it required), and an index signature."""
        inner = indent + _STEP
        lines: list[str] = []
        for name, schema, required in fields:
            lines += comment(schema.get("description"), inner) if is_object(schema) else []
            lines.append(f"{inner}{key(name)}{'' if required else '?'}: {self.write(schema, inner)};")
        if index:
            lines.append(f"{inner}[key: string]: {index};")
        if not lines:
            return "{ [key: string]: never }"
        return "\n".join(["{", *lines, indent + "}"])

    def _members(self, schema: Any, indent: str) -> list[str]:
        """Return the types that are alternatives, without doubles."""
        members = list(dict.fromkeys(self._alternatives(schema, indent)))
        return ["unknown"] if "unknown" in members else members or ["never"]

    def _alternatives(self, schema: Any, indent: str) -> list[str]:
        if not is_object(schema):
            return ["never" if schema is False else "unknown"]
        if "$ref" in schema:
            return [self._names.get(_target(schema), "unknown")]
        if "const" in schema or "enum" in schema:
            return [_literal(value) for value in schema.get("enum", [schema.get("const")])]
        if several := schema.get("anyOf") or schema.get("oneOf"):
            return [member for each in several for member in self._members(each, indent)]
        if every := schema.get("allOf"):
            parts = list(dict.fromkeys(self._single(each, indent) for each in every))
            return parts if len(parts) == 1 else [f"({' & '.join(parts)})"]
        return [self._of_kind(kind, schema, indent) for kind in _kinds(schema)]

    def _of_kind(self, kind: str, schema: Mapping[str, Any], indent: str) -> str:
        if kind == "array":
            return self._array(schema, indent)
        if kind == "object":
            return self._object(schema, indent)
        return _NAMES.get(kind, "unknown")

    def _single(self, schema: Any, indent: str) -> str:
        """Return a type that a suffix or an operator can follow."""
        members = self._members(schema, indent)
        return members[0] if len(members) == 1 else f"({' | '.join(members)})"

    def _array(self, schema: Mapping[str, Any], indent: str) -> str:
        first = schema.get("prefixItems")
        if first is None:
            return self._single(schema.get("items", True), indent) + "[]"
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        places = [
            self._single(each, indent) + ("?" if place >= least else "") for place, each in enumerate(first)
        ]
        if schema.get("items", True) is not False and (most is None or most > len(first)):
            places.append(f"...{self._single(schema.get('items', True), indent)}[]")
        return f"[{', '.join(places)}]"

    def _object(self, schema: Mapping[str, Any], indent: str) -> str:
        properties: Mapping[str, Any] = schema.get("properties") or {}
        patterns: Mapping[str, Any] = schema.get("patternProperties") or {}
        others = schema.get("additionalProperties", not (properties or patterns))
        if properties:
            required = schema.get("required", ())
            fields = [(name, each, name in required) for name, each in properties.items()]
            # An index signature must take the named properties as well.
            return self.object(fields, indent, "unknown" if others is not False or patterns else "")
        values = list(patterns.values())
        if others is not False:
            values.append(others)
        value = self.write({"anyOf": values}, indent) if values else "never"
        names = self._key_names(schema.get("propertyNames"))
        return f"{{ [key in {names}]?: {value} }}" if names else f"{{ [key: string]: {value} }}"

    def _key_names(self, schema: Any) -> str | None:
        """Return the type of an object's keys where they are some known texts."""
        found = self._definitions.get(_target(schema)) if is_object(schema) and "$ref" in schema else schema
        values: list[Any] = []
        if is_object(found):
            values = [found["const"]] if "const" in found else found.get("enum", [])
        if not values or not all(isinstance(value, str) for value in values):
            return None
        return " | ".join(_literal(value) for value in values)


def key(name: str) -> str:
    """Return a property's name, in quotes where it needs them."""
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def comment(text: object, indent: str = "") -> list[str]:
    """Return the lines of a comment that documents what follows it; none without a text."""
    if not isinstance(text, str) or not text.strip():
        return []
    lines = [line.rstrip() for line in text.strip().replace("*/", "*\\/").splitlines()]
    if len(lines) == 1:
        return [f"{indent}/** {lines[0]} */"]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]


def _target(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).removeprefix("#/$defs/")


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    if is_array(kind):
        return [str(each) for each in kind]
    if "properties" in schema or "additionalProperties" in schema:
        return ["object"]
    if "prefixItems" in schema or "items" in schema:
        return ["array"]
    return ["unknown"]


def _literal(value: Any) -> str:
    if is_object(value):
        return "{ " + "".join(f"{key(name)}: {_literal(each)}; " for name, each in value.items()) + "}"
    if is_array(value):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value)
