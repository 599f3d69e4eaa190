"""The named types that some values need, under names that TypeScript takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pgflow.typegen.schemas import schemas_of
from pgflow.typegen.shapes import Value
from pgflow.typegen.typescript import TypeWriter, comment

__all__ = ["FLOWS", "Declarations"]

FLOWS: Final = "Flows"
"""The type that a module declares besides."""

_WORDS: Final = """
    any as async await bigint boolean break case catch class const continue debugger declare default
    delete do else enum export extends false finally for from function if implements import in infer
    instanceof interface is keyof let never new null number object package private protected public
    readonly return static string super switch symbol this throw true try type typeof undefined
    unique unknown var void while with yield
"""


class Declarations:
    """Types for all of `values`, in one space of names."""

    def __init__(self, values: Iterable[Value]) -> None:
        self._schemas, self._definitions = schemas_of(values)
        self._names = _names(self._definitions)
        self._writer = TypeWriter(self._definitions, self._names)

    def lines(self) -> list[str]:
        """Return the declarations, by name."""
        lines: list[str] = []
        for definition in sorted(self._definitions, key=self._names.__getitem__):
            schema = self._definitions[definition]
            declared = f"export type {self._names[definition]} = {self._writer.write(schema)};"
            lines += [*comment(schema.get("description")), declared, ""]
        return lines

    def type_of(self, value: Value, indent: str = "") -> str:
        """Return the type of one value; lines after the first begin with `indent`."""
        return self._writer.write(self._schemas[value], indent)

    def object_of(self, values: Mapping[str, Value], indent: str = "") -> str:
        """Return the type of an object that holds values by key."""
        fields = [(key, _bare(self._schemas[value]), not value.is_optional) for key, value in values.items()]
        return self._writer.object(fields, indent)


def _bare(schema: Any) -> Any:
    """Leave out a description, which is the type's and not that of what holds it."""
    return {name: value for name, value in schema.items() if name != "description"}


def _names(definitions: Iterable[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    used = {FLOWS, *_WORDS.split()}
    for definition in sorted(definitions):
        plain = re.sub(r"\W", "", definition).rstrip("_") or "Type"
        stem = f"_{plain}" if plain[0].isdigit() else plain
        name, number = stem, 2
        while name in used:
            name, number = f"{stem}{number}", number + 1
        used.add(name)
        names[definition] = name
    return names
