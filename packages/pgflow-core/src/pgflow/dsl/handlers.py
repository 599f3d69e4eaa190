"""What a handler must be for a worker, in another process, to find and call it."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pgflow.errors import DefinitionError

__all__ = ["bind", "check_reference", "reference_of"]

_MOVE = "define it with def at the top level of a module"


def reference_of(handler: Callable[..., Any], *, flow: str) -> str:
    """Return "module:function" for a handler that a worker can import, else raise DefinitionError."""
    problem = _kind_problem(handler) or _place_problem(handler)
    if problem is not None:
        raise DefinitionError(f"the handler {_name(handler)} {problem}", flow=flow)
    return f"{handler.__module__}:{handler.__qualname__}"


def check_reference(handler: Callable[..., Any], reference: str, *, flow: str, step: str) -> None:
    """Raise DefinitionError if the handler's name now means something else in its module."""
    module, _, name = reference.partition(":")
    found = getattr(sys.modules.get(module), name, handler)
    if found is not handler:
        raise DefinitionError(
            f"a worker would import {reference}, which is now {found!r}: give the handler a name of its own",
            flow=flow,
            step=step,
        )


def bind(handler: Callable[..., Any], given: Sequence[Any], *, flow: str, step: str) -> dict[str, Any]:
    """Return handler parameter -> given value, or raise DefinitionError if they do not fit."""
    try:
        signature = inspect.signature(handler)
        arguments = signature.bind(*given).arguments
    except (TypeError, ValueError) as error:
        count = f"{len(given)} input{'' if len(given) == 1 else 's'}"
        problem = f"the handler {_name(handler)} cannot be called with {count}: {error}"
        raise DefinitionError(problem, flow=flow, step=step) from None
    for name in arguments:
        if signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            raise DefinitionError(
                f"the handler {_name(handler)} takes *{name}, but inputs are stored by parameter name: "
                "name its parameters",
                flow=flow,
                step=step,
            )
    return dict(arguments)


def _kind_problem(handler: object) -> str | None:
    if isinstance(handler, functools.partial):
        return f"is a partial: {_MOVE}, and give the fixed argument with const(...)"
    if inspect.ismethod(handler):
        return f"is a method, bound to an object no worker has: {_MOVE}"
    if inspect.isclass(handler):
        return f"is a class: {_MOVE}, and call the class in it"
    if not (inspect.isfunction(handler) or inspect.isbuiltin(handler)):
        return f"is not a function: {_MOVE}"
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        return "is a generator: return a list"
    return None


def _place_problem(handler: Callable[..., Any]) -> str | None:
    module, name = handler.__module__, handler.__qualname__
    if not module:
        return f"belongs to no module: {_MOVE}, and call it there"
    if "<lambda>" in name:
        return f"is a lambda, which no worker can import: {_MOVE}"
    if "<locals>" in name:
        return f"is defined inside a function, so that no worker can import it: {_MOVE}"
    if "." in name:
        return f"belongs to a class: {_MOVE}"
    if module == "__main__":
        return "is defined in the script itself (__main__), which no worker can import: move it to a module"
    return None


def _name(handler: object) -> str:
    return repr(getattr(handler, "__qualname__", None) or handler)
