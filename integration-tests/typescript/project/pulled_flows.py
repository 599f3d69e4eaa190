"""Flows whose steps are pulled by a worker in TypeScript."""

from dataclasses import dataclass
from datetime import timedelta

from pgflow import Node, const, flow, map_step, step
from pgflow.dsl import Target


@dataclass
class Text:
    text: str


def split(source: Text) -> list[str]:
    return source.text.split()


def measure(word: str, factor: int) -> int:
    return len(word) * factor


def total(lengths: list[int]) -> int:
    return sum(lengths)


def refuse() -> None:
    raise NotImplementedError


def hold() -> str:
    raise NotImplementedError


@flow(runs_on=Target("pull"), base_delay=timedelta(), jitter=0)
def letters(source: Node[Text]) -> Node[int]:
    return step(total, map_step(measure, step(split, source), const(2)))


@flow(runs_on=Target("pull"))
def refusing() -> Node[None]:
    return step(refuse)


@flow(runs_on=Target("pull"), timeout=timedelta(minutes=5))
def holding() -> Node[str]:
    return step(hold)
