"""Functions that stand in for handlers, in tests of flows."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["check_slugs", "stand_in"]


def stand_in(handler: Callable[..., Any], substitute: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that has the handler's parameters and types, and calls `substitute`.

    It is called by name if it takes the handler's names, else by place; it may be async or a mock.
    """
    names = list(inspect.signature(handler).parameters)
    by_name = _takes(substitute, names)

    @functools.wraps(handler)
    def call(*positional: Any, **named: Any) -> Any:
        if by_name:
            return substitute(**dict(zip(names, positional, strict=False)), **named)
        return substitute(*positional, *(named[name] for name in names if name in named))

    return call


def check_slugs(slugs: Iterable[str], known: Iterable[str], flow: str) -> None:
    """Raise ValueError for the first slug that names no step of the flow."""
    steps = list(known)
    for slug in slugs:
        if slug not in steps:
            close = difflib.get_close_matches(slug, steps, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(steps)}"
            raise ValueError(f"flow {flow!r} has no step {slug!r}; {hint}")


def _takes(substitute: Callable[..., Any], names: list[str]) -> bool:
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(substitute).parameters
    except (TypeError, ValueError):  # some builtins do not say
        return False
    kinds = {name: parameter.kind for name, parameter in parameters.items()}
    if inspect.Parameter.VAR_KEYWORD in kinds.values():
        return True
    return all(kinds.get(name) not in {None, inspect.Parameter.POSITIONAL_ONLY} for name in names)
