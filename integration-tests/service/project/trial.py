"""Flows that the tests of the client and the dispatcher run; worker processes import them by name."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from pgflow import Node, NonRetryable, RetryAfter, current_task, flow, map_step, step

SECONDS = 300


@dataclass(frozen=True)
class Order:
    name: str
    amounts: list[int]


@dataclass(frozen=True)
class Bill:
    name: str
    total: int


def amounts_of(order: Order) -> list[int]:
    return order.amounts


def add_tax(amount: int) -> int:
    return amount + 1


async def bill(order: Order, amounts: list[int]) -> Bill:
    await asyncio.sleep(0)
    return Bill(order.name, sum(amounts))


@flow
def billing(order: Node[Order]) -> Node[Bill]:
    return step(bill, order, map_step(add_tax, step(amounts_of, order)))


def double(number: int) -> int:
    return 2 * number


def negate(number: int) -> int:
    return -number


@flow
def single(number: Node[int]) -> Node[int]:
    return step(double, number)


@flow
def chain(number: Node[int]) -> Node[int]:
    return step(negate, step(double, number))


@flow
def both(number: Node[int]) -> tuple[Node[int], Node[int]]:
    return step(double, number), step(negate, number)


@flow
def inner_and_last(number: Node[int]) -> tuple[Node[int], Node[int]]:
    doubled = step(double, number)
    return doubled, step(negate, doubled)


@flow
def named(number: Node[int]) -> dict[str, Node[int]]:
    doubled = step(double, number)
    return {"last": step(negate, doubled), "inner": doubled}


def refuse(number: int) -> int:
    raise NonRetryable(f"no {number} today")


@flow
def optional(number: Node[int]) -> Node[int | None]:
    return step(refuse, number, when_exhausted="skip").or_none()


@flow
def refusing(number: Node[int]) -> Node[int]:
    return step(refuse, number)


def leave(number: int) -> int:
    raise SystemExit(number)


def say_four(number: int) -> int:
    return "four"  # type: ignore[return-value]


def come_later(number: int) -> int:
    raise RetryAfter(30, "the bank opens at nine")


def speak_nul(number: int) -> str:
    return f"\0{number}"


@flow
def unstorable(number: Node[int]) -> Node[str]:
    return step(speak_nul, number)


def log_and_return(number: int) -> int:
    print(f"seen {number}")
    return number


@flow
def logging_flow(number: Node[int]) -> Node[int]:
    return step(log_and_return, number)


@dataclass(frozen=True)
class Gate:
    """Where a held handler says that it runs, and what it waits for."""

    folder: str
    name: str = "gate"

    def path(self, what: str) -> Path:
        return Path(self.folder, f"{self.name}.{what}")


def hold(gate: Gate) -> str:
    """Say that it runs, then wait until told to go on."""
    gate.path("starting").write_text(str(os.getpid()))
    gate.path("starting").rename(gate.path("started"))  # whoever sees it finds it whole
    try:
        deadline = time.monotonic() + SECONDS
        while not gate.path("go").exists():
            if time.monotonic() > deadline:
                raise TimeoutError(gate.path("go"))
            time.sleep(0.01)
    except BaseException:
        gate.path("interrupted").touch()
        raise
    return gate.name


@flow
def held(gate: Node[Gate]) -> Node[str]:
    return step(hold, gate, base_delay=0.1, jitter=0)


def moment(number: int) -> float:
    return time.time()


@flow
def clock(number: Node[int]) -> Node[float]:
    return step(moment, number)


@dataclass(frozen=True)
class Load:
    items: int
    seconds: float
    folder: str


@dataclass(frozen=True)
class Item:
    number: int
    seconds: float
    folder: str


def spread(load: Load) -> list[Item]:
    return [Item(number, load.seconds, load.folder) for number in range(load.items)]


def work(item: Item) -> int:
    """Take some time, and leave a mark of the attempt."""
    time.sleep(item.seconds)
    Path(item.folder, f"{item.number}.{current_task().attempt}").touch()
    return item.number


def add_up(numbers: list[int]) -> int:
    return sum(numbers)


@flow
def loaded(load: Node[Load]) -> Node[int]:
    return step(add_up, map_step(work, step(spread, load), base_delay=0.1, jitter=0, max_attempts=10))


def advance(file: str) -> str:
    """Say how far it is, then wait for the file."""
    current_task().progress(3, 4, "nearly\0")
    deadline = time.monotonic() + SECONDS
    while not Path(file).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return "done"


@flow
def advancing(file: Node[str]) -> Node[str]:
    return step(advance, file)
