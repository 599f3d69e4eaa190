"""Flows whose steps run in edge functions; the handlers here only say the types."""

from __future__ import annotations

from pgflow import Node, flow, map_step, step
from pgflow_supabase import Edge

QUICK = {"base_delay": 0.05, "jitter": 0.0, "launch_timeout": 20}


def split(text: str) -> list[str]:
    return text.split()


def measure(word: str) -> int:
    return len(word)


def crash(words: list[str]) -> list[int]:
    return [len(words)]


def silence(words: list[str]) -> list[int]:
    return [len(words)]


def spin(words: list[str]) -> list[int]:
    return [len(words)]


def exceed(words: list[str]) -> list[int]:
    return [len(words)]


def total(a: list[int], b: list[int], c: list[int], d: list[int], e: list[int]) -> int:
    return sum([*a, *b, *c, *d, *e])


@flow(runs_on=Edge("words"), **QUICK)
def tally(text: Node[str]) -> Node[int]:
    words = step(split, text)
    return step(
        total,
        map_step(measure, words),
        # On a slow machine attempts after the first may be late, too: they have enough others.
        step(crash, words, runs_on=Edge("crashes"), heartbeat_timeout=2, max_attempts=20),
        step(silence, words, runs_on=Edge("silent"), launch_timeout=5),
        step(spin, words, runs_on=Edge("endless"), heartbeat_timeout=2, launch_timeout=10, max_attempts=20),
        step(exceed, words, runs_on=Edge("limited"), launch_timeout=10),
    )


@flow(runs_on=Edge("words"), **QUICK)
def lengths(text: Node[str]) -> Node[list[int]]:
    return map_step(measure, step(split, text))


def refuse(number: int) -> int:
    return number


@flow(runs_on=Edge("words"))
def refusing(number: Node[int]) -> Node[int]:
    return step(refuse, number)


def double(number: int) -> int:
    return 2 * number


def vanish(numbers: list[int]) -> int:
    return len(numbers)


def outlast(numbers: list[int]) -> int:
    return len(numbers)


def add(numbers: list[int], a: int, b: int) -> int:
    return sum([*numbers, a, b])


@flow(runs_on=Edge("waited", mode="sync"), base_delay=0.05, launch_timeout=60)
def waited(numbers: Node[list[int]]) -> Node[int]:
    return step(
        add,
        map_step(double, numbers),
        step(vanish, numbers, runs_on=Edge("crashes", mode="sync"), timeout=10),
        step(outlast, numbers, timeout=40),
    )


def hold(folder: str) -> str:
    return folder


@flow(runs_on=Edge("holds"), timeout=300, launch_timeout=60)
def holding(folder: Node[str]) -> Node[str]:
    return step(hold, folder)


def tell(folder: str) -> str:
    return folder


@flow(runs_on=Edge("holds"), heartbeat_timeout=6, launch_timeout=60, max_attempts=20)
def telling(folder: Node[str]) -> Node[str]:
    return step(tell, folder)
