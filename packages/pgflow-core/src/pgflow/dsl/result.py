"""What a flow gives back: the value of a node, of several of them, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from pgflow.codec import Field, ObjectCodec
from pgflow.dsl.node import FlowInput, Node, Taken
from pgflow.dsl.types import type_of
from pgflow.dsl.wiring import check_taken
from pgflow.errors import DefinitionError

__all__ = ["Result"]

Shape = Literal["nothing", "one", "tuple", "dict"]


class Result:
    """The nodes that a flow's body returned, and how a run's outputs take their places."""

    def __init__(self, returned: object, source: FlowInput) -> None:
        self._shape, nodes = _nodes(returned, source)
        self._taken = {place: _check(node, source) for place, node in nodes.items()}

    @property
    def slugs(self) -> tuple[str, ...]:
        """The steps whose outputs make up the result."""
        return tuple(dict.fromkeys(taken.step.slug for taken in self._taken.values() if taken.step))

    @property
    def returns(self) -> str | None:
        """The step whose output is the flow's value, if it is that of one step."""
        return self.slugs[0] if self._shape == "one" else None

    def codec(self) -> ObjectCodec:
        """Return what decodes the outputs of a run's steps, an object of step slug -> output."""
        fields = {
            place: Field(type_of(taken), taken.step.slug)
            for place, taken in self._taken.items()
            if taken.step
        }
        return ObjectCodec(fields, "the flow's result")

    def assemble(self, values: Mapping[str, Any]) -> Any:
        """Return the flow's value from what `codec` decoded."""
        if self._shape == "nothing":
            return None
        if self._shape == "one":
            return values[""]
        if self._shape == "tuple":
            return tuple(values[place] for place in self._taken)
        return {place: values[place] for place in self._taken}


def _nodes(returned: object, source: FlowInput) -> tuple[Shape, dict[str, object]]:
    if returned is None:
        return "nothing", {}
    if isinstance(returned, Node):
        return "one", {"": returned}
    if isinstance(returned, tuple):
        return "tuple", {str(place): node for place, node in enumerate(cast("tuple[object, ...]", returned))}
    if isinstance(returned, dict) and all(
        isinstance(key, str) for key in cast("dict[object, object]", returned)
    ):
        return "dict", dict(cast("dict[str, object]", returned))
    raise DefinitionError(
        f"returns {returned!r}: a flow returns a node, a tuple of nodes, a dict of text to nodes, or None",
        flow=source.flow,
    )


def _check(node: object, source: FlowInput) -> Taken:
    taken = check_taken(node, source, "the flow's result")
    if taken.step is None:
        raise DefinitionError(f"returns {taken.origin}: a flow returns results of steps", flow=source.flow)
    if taken.step.may_be_absent and not taken.allows_none:
        raise DefinitionError(
            f"returns the result of {taken.step.slug!r}, which may be skipped: return it with .or_none()",
            flow=source.flow,
        )
    return taken
