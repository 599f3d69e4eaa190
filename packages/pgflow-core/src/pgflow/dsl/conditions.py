"""Conditions on the values a step starts from, evaluated by the engine without a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn, final

from pgflow.dsl.node import Node
from pgflow.errors import DefinitionError

__all__ = ["Condition", "contains"]


@final
@dataclass(frozen=True, eq=False, slots=True)
class Condition:
    """Patterns that must all be contained in the values of their nodes; `&` joins two conditions."""

    patterns: tuple[tuple[Node[Any], object], ...]

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.patterns + other.patterns)

    def __bool__(self) -> NoReturn:
        raise DefinitionError("a condition has no truth value while the flow is being defined: join with &")


def contains(node: Node[Any], pattern: object, /) -> Condition:
    """Hold when the node's value contains `pattern`, as PostgreSQL's `jsonb @>` sees it.

    An object contains the keys of the pattern with values that contain the pattern's, a list contains each
    item of the pattern somewhere, anything else is equal.  A skipped step's result contains nothing.
    """
    return Condition(((node, pattern),))
