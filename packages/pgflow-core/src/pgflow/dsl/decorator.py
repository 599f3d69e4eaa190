"""`flow`: the decorator that runs a flow's body once and keeps the graph it wired."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, Unpack, final, overload

from pgflow.dsl.builder import FlowBuilder
from pgflow.dsl.flow import Flow
from pgflow.dsl.node import Node, Taken
from pgflow.dsl.options import FlowOptions
from pgflow.dsl.typevars import A, B, C, D, E, F, G, H, In, Out
from pgflow.errors import DefinitionError

__all__ = ["FlowDecorator", "flow"]


@final
class FlowDecorator:
    """Turns a function from an input node to result nodes into a flow named after it.

    A class, so that the overloads of `@flow` and `@flow(...)` are written once.
    """

    def __init__(self, slug: str | None = None, options: FlowOptions | None = None) -> None:
        self._slug = slug
        self._options = options or FlowOptions()

    @overload
    def __call__(self, body: Callable[[Node[In]], Node[Out]], /) -> Flow[In, Out]: ...

    @overload
    def __call__(self, body: Callable[[Node[In]], tuple[Node[A], Node[B]]], /) -> Flow[In, tuple[A, B]]: ...

    @overload
    def __call__(
        self, body: Callable[[Node[In]], tuple[Node[A], Node[B], Node[C]]], /
    ) -> Flow[In, tuple[A, B, C]]: ...

    @overload
    def __call__(
        self, body: Callable[[Node[In]], tuple[Node[A], Node[B], Node[C], Node[D]]], /
    ) -> Flow[In, tuple[A, B, C, D]]: ...

    @overload
    def __call__(
        self, body: Callable[[Node[In]], tuple[Node[A], Node[B], Node[C], Node[D], Node[E]]], /
    ) -> Flow[In, tuple[A, B, C, D, E]]: ...

    @overload
    def __call__(
        self, body: Callable[[Node[In]], tuple[Node[A], Node[B], Node[C], Node[D], Node[E], Node[F]]], /
    ) -> Flow[In, tuple[A, B, C, D, E, F]]: ...

    @overload
    def __call__(
        self,
        body: Callable[[Node[In]], tuple[Node[A], Node[B], Node[C], Node[D], Node[E], Node[F], Node[G]]],
        /,
    ) -> Flow[In, tuple[A, B, C, D, E, F, G]]: ...

    @overload
    def __call__(
        self,
        body: Callable[
            [Node[In]], tuple[Node[A], Node[B], Node[C], Node[D], Node[E], Node[F], Node[G], Node[H]]
        ],
        /,
    ) -> Flow[In, tuple[A, B, C, D, E, F, G, H]]: ...

    @overload
    def __call__(self, body: Callable[[Node[In]], dict[str, Node[Out]]], /) -> Flow[In, dict[str, Out]]: ...

    @overload
    def __call__(self, body: Callable[[Node[In]], None], /) -> Flow[In, None]: ...

    @overload
    def __call__(self, body: Callable[[], Node[Out]], /) -> Flow[None, Out]: ...

    @overload
    def __call__(self, body: Callable[[], tuple[Node[A], Node[B]]], /) -> Flow[None, tuple[A, B]]: ...

    @overload
    def __call__(
        self, body: Callable[[], tuple[Node[A], Node[B], Node[C]]], /
    ) -> Flow[None, tuple[A, B, C]]: ...

    @overload
    def __call__(
        self, body: Callable[[], tuple[Node[A], Node[B], Node[C], Node[D]]], /
    ) -> Flow[None, tuple[A, B, C, D]]: ...

    @overload
    def __call__(
        self, body: Callable[[], tuple[Node[A], Node[B], Node[C], Node[D], Node[E]]], /
    ) -> Flow[None, tuple[A, B, C, D, E]]: ...

    @overload
    def __call__(
        self, body: Callable[[], tuple[Node[A], Node[B], Node[C], Node[D], Node[E], Node[F]]], /
    ) -> Flow[None, tuple[A, B, C, D, E, F]]: ...

    @overload
    def __call__(
        self, body: Callable[[], tuple[Node[A], Node[B], Node[C], Node[D], Node[E], Node[F], Node[G]]], /
    ) -> Flow[None, tuple[A, B, C, D, E, F, G]]: ...

    @overload
    def __call__(
        self,
        body: Callable[[], tuple[Node[A], Node[B], Node[C], Node[D], Node[E], Node[F], Node[G], Node[H]]],
        /,
    ) -> Flow[None, tuple[A, B, C, D, E, F, G, H]]: ...

    @overload
    def __call__(self, body: Callable[[], dict[str, Node[Out]]], /) -> Flow[None, dict[str, Out]]: ...

    @overload
    def __call__(self, body: Callable[[], None], /) -> Flow[None, None]: ...

    @overload
    def __call__(self, /, *, slug: str | None = None, **options: Unpack[FlowOptions]) -> FlowDecorator: ...

    def __call__(
        self,
        body: Callable[..., Any] | None = None,
        /,
        *,
        slug: str | None = None,
        **options: Unpack[FlowOptions],
    ) -> Flow[Any, Any] | FlowDecorator:
        """Define a flow, or take the options for one: `@flow` or `@flow(slug=..., max_attempts=5)`.

        The options are defaults for every step.  Raises DefinitionError if the body wires no valid graph.
        """
        if body is None:
            return FlowDecorator(slug, options)
        if not inspect.isfunction(body):
            raise DefinitionError(f"@flow decorates a function, not {body!r}")
        builder = FlowBuilder(body.__name__ if self._slug is None else self._slug, self._options)
        if inspect.iscoroutinefunction(body):
            raise DefinitionError("is async, but its body only wires steps: write def", flow=builder.slug)
        count = len(inspect.signature(body).parameters)
        if count > 1:
            raise DefinitionError(
                f"takes {count} parameters: a flow has one input at most; put them into a dataclass",
                flow=builder.slug,
            )
        with builder.defining():
            returned = body(*([Node[Any](Taken(builder.source))] * count))
        return Flow(builder, body, takes_input=count == 1, returned=returned)


flow: Final = FlowDecorator()
