"""The types of the values in a flow, read from annotations when a definition or a codec needs them."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from pgflow.codec import handler_types
from pgflow.dsl.node import Node, Taken
from pgflow.errors import DefinitionError

__all__ = ["input_type_of", "type_of"]


def type_of(taken: Taken) -> Any:
    """Return the type of a step's result as its taker sees it."""
    if taken.step is None:
        return Any
    one = handler_types(taken.step.handler).result
    if taken.step.is_map:
        one = list.__class_getitem__(one | None if taken.allows_holes else one)
    return one | None if taken.allows_none else one


def input_type_of(body: Callable[..., Any], flow: str) -> Any:
    """Return T of a flow body's parameter `source: Node[T]`; Any if it is not annotated."""
    name, hint = next(iter(handler_types(body).parameters.items()))
    if hint is Any or hint is Node:
        return Any
    if typing.get_origin(hint) is not Node:
        raise DefinitionError(f"the flow's parameter {name!r} must be a Node[...], not {hint!r}", flow=flow)
    return typing.get_args(hint)[0]
