"""Flows whose types are written: one of each kind of value, and of each way to take it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, NotRequired, TypeVar
from uuid import UUID

from pgflow import Node, const, flow, map_step, step
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Spot(NamedTuple):
    x: float
    label: str = ""


@dataclass
class Part:
    name: str
    parts: list[Part] = field(default_factory=list)


class Note(TypedDict):
    """A note, and who wrote it. */ alert(1) /*"""

    text: str
    by: NotRequired[str]


class Page(BaseModel, Generic[T]):
    rows: list[T]


class Order(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    id: UUID
    placed_at: datetime = Field(alias="placedAt")
    price: Decimal
    colour: Colour | None = None
    kind: Literal["gift", 1, True, None] = None
    spot: Spot
    size: tuple[int, str] | None = None
    counts: dict[str, int] = {}
    by_colour: dict[Colour, timedelta] = {}
    extra: Any = None
    notes: dict[str, list[Note | None]] = Field(default={}, description="By page,\nas they came.")


@dataclass
class Function:
    """Has the name of something else in TypeScript."""

    odd_key: Callable[[int], int] | None = None


def parts(order: Order) -> list[Part]:
    return [Part(str(order.id))]


async def weigh(part: Part, factor: float) -> Page[int] | None:
    return Page[int](rows=[len(part.name)]) if factor else None


def gift(order: Order) -> Note:
    return {"text": str(order.id)}


def send(order: Order, weights: list[Page[int] | None], gift: Note | None) -> Function:
    return Function()


def log(unknown) -> None:
    print(unknown)


def tick() -> int:
    return 1


@flow
def orders(order: Node[Order]) -> Node[Function]:
    weights = map_step(weigh, step(parts, order), const(1.5), max_failures=3)
    note = step(gift, order, when_exhausted="skip")
    sent = step(send, order, weights.items_or_none(), note.or_none())
    step(log, sent, when_exhausted="skip_cascade")
    return sent


@flow
def ticking() -> Node[int]:
    return step(tick)
