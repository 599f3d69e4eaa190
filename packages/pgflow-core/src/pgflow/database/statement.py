"""A statement for the engine as a value: its text, its parameters and what its rows mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, LiteralString, TypeVar

__all__ = ["Row", "Statement", "as_objects", "first", "only", "rest", "scalar", "scalars"]

T = TypeVar("T")
U = TypeVar("U")

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Statement(Generic[T]):
    """One call of a `pgflow.*` function, or one read of a `pgflow.*` view.

    JSON goes in and comes out as text: the query casts it, so that no loader or dumper that the owner of
    a connection registered can change it.
    """

    query: LiteralString
    params: Sequence[object] = field(default=(), repr=False)
    """Never shown: inputs, outputs and attempt tokens are among them."""
    parse: Callable[[Sequence[Row]], T] = field(repr=False, kw_only=True)
    repeatable: bool = field(default=False, kw_only=True)
    """Sent twice it does what it does once: after a lost connection it may be sent again."""

    def then(self, make: Callable[[T], U]) -> Statement[U]:
        """Make something else of what the statement answers."""
        parse = self.parse
        return Statement(
            self.query, self.params, parse=lambda rows: make(parse(rows)), repeatable=self.repeatable
        )


def only(rows: Sequence[Row]) -> Row:
    """Take the single row that a function call returns."""
    (row,) = rows
    return row


def scalar(rows: Sequence[Row]) -> Any:
    """Take the single value of the single row."""
    return only(rows)[0]


def scalars(rows: Sequence[Row]) -> list[Any]:
    """Take the first column, in order."""
    return [row[0] for row in rows]


def first(rows: Sequence[Row]) -> Row | None:
    """Take the row that may be missing."""
    return rows[0] if rows else None


def rest(rows: Sequence[Row]) -> None:
    """Drop what a function returns that nobody needs."""


def as_objects(make: Callable[..., T]) -> Callable[[Sequence[Row]], list[T]]:
    """Build one object a row, its columns given by position."""
    return lambda rows: [make(*row) for row in rows]
