"""`map_step`: one run of a handler per item, with up to seven further inputs; overloads as in `steps`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Unpack, overload

from pgflow.dsl.builder import current_builder
from pgflow.dsl.node import Node
from pgflow.dsl.options import MapOptions
from pgflow.dsl.typevars import A, B, C, D, E, F, G, Item, R

__all__ = ["map_step"]


@overload
def map_step(
    handler: Callable[[Item], Awaitable[R]],
    over: Node[Sequence[Item]],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item], R],
    over: Node[Sequence[Item]],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A], Awaitable[R]],
    over: Node[Sequence[Item]],
    a: Node[A],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A], R],
    over: Node[Sequence[Item]],
    a: Node[A],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B], Awaitable[R]],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B], R],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B, C], Awaitable[R]],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B, C], R],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B, C, D], Awaitable[R]],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B, C, D], R],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B, C, D, E], Awaitable[R]],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B, C, D, E], R],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B, C, D, E, F], Awaitable[R]],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    f: Node[F],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B, C, D, E, F], R],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    f: Node[F],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B, C, D, E, F, G], Awaitable[R]],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    f: Node[F],
    g: Node[G],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
@overload
def map_step(
    handler: Callable[[Item, A, B, C, D, E, F, G], R],
    over: Node[Sequence[Item]],
    a: Node[A],
    b: Node[B],
    c: Node[C],
    d: Node[D],
    e: Node[E],
    f: Node[F],
    g: Node[G],
    /,
    **options: Unpack[MapOptions],
) -> Node[list[R]]: ...
def map_step(
    handler: Callable[..., Any], over: Node[Any], /, *inputs: Node[Any], **options: Unpack[MapOptions]
) -> Node[list[Any]]:
    """Add a step that runs `handler` once per item of `over`; its result keeps the order of the items.

    The handler's first parameter takes the item, the others take `inputs` whole.  Raises DefinitionError as
    `step` does.
    """
    return current_builder("map_step").place(handler, inputs, options, over)
