"""Handles on values that exist only in a run, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeGuard, TypeVar, final

from pgflow.errors import DefinitionError

if TYPE_CHECKING:
    from pgflow.dsl.wiring import Wiring

__all__ = ["Constant", "FlowInput", "Node", "PlacedStep", "Taken", "const", "is_node", "taken_of"]

R = TypeVar("R")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, eq=False, slots=True)
class FlowInput:
    """The input of a flow being defined; its identity is the flow's."""

    flow: str

    def __str__(self) -> str:
        return f"the input of flow {self.flow!r}"


@dataclass(frozen=True, eq=False, slots=True)
class Constant:
    """A value that the definition itself carries."""

    value: object

    def __str__(self) -> str:
        return f"the constant {self.value!r}"


@dataclass(frozen=True, eq=False, slots=True)
class PlacedStep:
    """A step of a flow being defined: what it runs, what it takes, and whether its result may be absent."""

    source: FlowInput
    slug: str
    handler: Callable[..., Any]
    handler_ref: str
    wiring: Wiring
    options: Mapping[str, Any]
    executor: str
    executor_options: Mapping[str, Any]
    skips: bool
    """It may be skipped while its dependents go on."""
    cascades: bool
    """It may be skipped together with everything downstream, by its own doing or by a dependency's."""

    @property
    def is_map(self) -> bool:
        """Whether the step runs once per item."""
        return self.wiring.map_over is not None

    @property
    def may_be_absent(self) -> bool:
        """Whether a run can end well without this step's result."""
        return self.skips or self.cascades

    @property
    def has_holes(self) -> bool:
        """Whether items of this map may fail without failing it; their outputs are null."""
        return bool(self.options.get("max_failures"))

    def __str__(self) -> str:
        return f"step {self.slug!r} of flow {self.source.flow!r}"


@dataclass(frozen=True, eq=False, slots=True)
class Taken:
    """How a value is taken: from what, and which absences the taker can bear."""

    origin: FlowInput | Constant | PlacedStep
    allows_none: bool = False
    allows_holes: bool = False

    @property
    def step(self) -> PlacedStep | None:
        """The step whose result this is, if it is one."""
        return self.origin if isinstance(self.origin, PlacedStep) else None


@final
class Node(Generic[T_co]):
    """A handle on a value of type T that exists only once a run has produced it.

    It has no value-like methods: no items, no truth value, no attributes of the value.
    """

    __slots__ = ("_taken",)

    def __init__(self, taken: Taken) -> None:
        self._taken = taken

    def or_none(self) -> Node[T_co | None]:
        """Take the step's result as None when the step was skipped.

        Raises DefinitionError if the step cannot be skipped.
        """
        step = self._taken.step
        if step is None or not step.may_be_absent:
            raise DefinitionError(
                f"{self._taken.origin} is never skipped: drop .or_none(), or give the step a condition "
                '(when=, unless=) or when_exhausted="skip"'
            )
        return Node(replace(self._taken, allows_none=True))

    def items_or_none(self: Node[list[R]]) -> Node[list[R | None]]:
        """Take None in the place of each item that failed, on a map step with max_failures.

        Raises DefinitionError if the map tolerates no failed item.
        """
        step = self._taken.step
        if step is None or not step.has_holes:
            raise DefinitionError(
                f"{self._taken.origin} tolerates no failed item: drop .items_or_none(), or give max_failures="
            )
        return Node(replace(self._taken, allows_holes=True))

    def __repr__(self) -> str:
        return f"<Node: {self._taken.origin}>"

    def __bool__(self) -> NoReturn:
        raise DefinitionError(self._refusal("truth value"))

    if not TYPE_CHECKING:  # so that type checkers say a node has none of these

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):  # asked for by copy, pickle and the like, maybe before __init__
                raise AttributeError(name)
            raise AttributeError(self._refusal(f"attribute {name!r}"))

        def __getitem__(self, key: object) -> NoReturn:
            raise DefinitionError(self._refusal("items"))

        def __iter__(self) -> NoReturn:
            raise DefinitionError(self._refusal("items") + ", or use map_step() to work on each")

    def _refusal(self, what: str) -> str:
        origin = self._taken.origin
        return f"{origin} has no {what} while the flow is being defined: read values inside a handler"


def is_node(value: object) -> TypeGuard[Node[Any]]:
    """Tell whether a value given to the DSL is a node."""
    return isinstance(value, Node)


def taken_of(node: Node[Any]) -> Taken:
    """Return what a node stands for."""
    return node._taken  # pyright: ignore[reportPrivateUsage]


def const(value: T, /) -> Node[T]:
    """Make an input whose value is known at definition; the definition stores it as JSON."""
    return Node(Taken(Constant(value)))
