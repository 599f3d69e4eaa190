"""`step`: one run of a handler, in up to eight inputs.

One pair of overloads per number of inputs: Python cannot map `Node` over a ParamSpec or a TypeVarTuple, and
mypy does not solve `Awaitable[R] | R` for a coroutine function.  The awaitable form comes first, because a
coroutine also matches `R`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Unpack, overload

from pgflow.dsl.builder import current_builder
from pgflow.dsl.node import Node
from pgflow.dsl.options import StepOptions
from pgflow.dsl.typevars import A, B, C, D, E, F, G, H, R

__all__ = ["step"]


@overload
def step(
    handler: Callable[[], Awaitable[R]],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[], R],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A], Awaitable[R]],
    a: Node[A],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A], R],
    a: Node[A],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B], Awaitable[R]],
    a: Node[A],
    b: Node[B],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B], R],
    a: Node[A],
    b: Node[B],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C], Awaitable[R]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C], R],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C, D], Awaitable[R]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C, D], R],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C, D, E], Awaitable[R]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C, D, E], R],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C, D, E, F], Awaitable[R]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    f: Node[F],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C, D, E, F], R],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    f: Node[F],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C, D, E, F, G], Awaitable[R]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    f: Node[F],
    g: Node[G],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C, D, E, F, G], R],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    f: Node[F],
    g: Node[G],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C, D, E, F, G, H], Awaitable[R]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    f: Node[F],
    g: Node[G],
    h: Node[H],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
@overload
def step(
    handler: Callable[[A, B, C, D, E, F, G, H], R],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    f: Node[F],
    g: Node[G],
    h: Node[H],
    /,
    **options: Unpack[StepOptions],
) -> Node[R]: ...
def step(handler: Callable[..., Any], /, *inputs: Node[Any], **options: Unpack[StepOptions]) -> Node[Any]:
    """Add a step that runs `handler` once, when every node it takes has a value.

    Inputs are the handler's positional parameters, in order.  Raises DefinitionError if the handler cannot be
    imported by a worker, or inputs or options do not fit.
    """
    return current_builder("step").place(handler, inputs, options)
