"""The flow under attack: every handler leaves a trace in a table, through a connection of its own."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from uuid import uuid4

import psycopg
from pgflow import Node, current_task, flow, map_step, step

SECONDS = 30.0
PATIENT = {"max_attempts": 100, "base_delay": timedelta(seconds=0.1), "max_delay": timedelta(seconds=1)}


@dataclass(frozen=True)
class Load:
    number: int
    items: int
    seconds: float


@dataclass(frozen=True)
class Item:
    number: int
    seconds: float


@lru_cache(maxsize=1)
def connection() -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(os.environ["CHAOS_DSN"], autocommit=True)


def leave_a_trace() -> None:
    """Write which attempt ran; once a call, however often the connection breaks."""
    task, call = current_task(), uuid4()
    key = (call, task.run_id, task.step_slug, task.task_index, task.attempt)
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            connection().execute(
                "insert into chaos.effects (call, run_id, step_slug, task_index, attempt) "
                "values (%s, %s, %s, %s, %s) on conflict do nothing",
                key,
            )
        except psycopg.OperationalError:
            connection.cache_clear()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def spread(load: Load) -> list[Item]:
    leave_a_trace()
    return [Item(load.number + place, load.seconds) for place in range(load.items)]


def work(item: Item) -> int:
    time.sleep(item.seconds)
    leave_a_trace()
    return item.number


def add_up(numbers: list[int]) -> int:
    leave_a_trace()
    return sum(numbers)


@flow
def attacked(load: Node[Load]) -> Node[int]:
    return step(add_up, map_step(work, step(spread, load, **PATIENT), **PATIENT), **PATIENT)
