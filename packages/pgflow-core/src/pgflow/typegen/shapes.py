"""What a flow takes and gives, place by place: the Python type of each value, and who wrote its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pgflow.codec import handler_types
from pgflow.dsl import Flow
from pgflow.dsl.node import Constant, PlacedStep, Taken
from pgflow.dsl.types import type_of

__all__ = ["FlowShape", "Mode", "StepShape", "Value", "shape_of"]

Mode = Literal["validation", "serialization"]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value in a flow.

    What starts a run may leave out what has a default: its JSON is all that `mode` "validation" takes.  The
    output of a step is whole, as Python writes it: "serialization".
    """

    type: Any
    mode: Mode
    is_optional: bool = False
    """Whether the key itself may be absent."""


@dataclass(frozen=True, slots=True)
class StepShape:
    """The parameters of a step's handler, and its result; those of one item for a map step."""

    parameters: Mapping[str, Value]
    result: Value


@dataclass(frozen=True, slots=True)
class FlowShape:
    """The input of a flow, None if it takes none; its steps; and the outputs that a run ends with."""

    slug: str
    input: Value | None
    outputs: Mapping[str, Value]
    steps: Mapping[str, StepShape]

    def values(self) -> Iterator[Value]:
        """Go through every value."""
        if self.input is not None:
            yield self.input
        yield from self.outputs.values()
        for step in self.steps.values():
            yield from step.parameters.values()
            yield step.result


def shape_of(flow: Flow[Any, Any]) -> FlowShape:
    """Read the types of a flow; raises DefinitionError if one cannot be resolved or has no JSON form."""
    definition = flow.definition
    needed = {dep for step in definition.steps for dep in step.deps}
    ends = {slug for slug in flow.placed_steps if slug not in needed} | {definition.returns}
    return FlowShape(
        slug=flow.slug,
        input=None if flow.input_type is None else Value(flow.input_type, "validation"),
        outputs={slug: _output(step) for slug, step in flow.placed_steps.items() if slug in ends},
        steps={slug: _step(step) for slug, step in flow.placed_steps.items()},
    )


def _output(step: PlacedStep) -> Value:
    whole = type_of(Taken(step, allows_holes=step.has_holes))
    return Value(whole, "serialization", is_optional=step.may_be_absent)


def _step(step: PlacedStep) -> StepShape:
    types = handler_types(step.handler)
    parameters = {
        name: Value(types.parameters[name], _mode(taken), is_optional=taken.allows_none)
        for name, taken in step.wiring.bindings.items()
    }
    return StepShape(parameters, Value(types.result, "serialization"))


def _mode(taken: Taken) -> Mode:
    from_outside = taken.step is None and not isinstance(taken.origin, Constant)
    return "validation" if from_outside else "serialization"
