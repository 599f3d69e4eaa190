"""A map whose items run as Lambda functions, some of which crash."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pgflow import Node, current_task, flow, map_step, step
from pgflow.runtime.aws_lambda import lambda_handler
from pgflow_lambda import Lambda


@dataclass
class Job:
    """What a run is to do."""

    numbers: list[int]
    trace: str


@dataclass
class Item:
    """One task."""

    number: int
    trace: str


def items(job: Job) -> list[Item]:
    """One for each number."""
    return [Item(number, job.trace) for number in job.numbers]


def square(item: Item) -> int:
    """Write down that it ran; crash at the first attempt of one number in fifty."""
    number, task = item.number, current_task()
    line = f"{task.run_id} {number} {task.attempt} {os.getpid()}\n"
    trace = os.open(item.trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(trace, line.encode())
    os.close(trace)
    if number % 50 == 7 and task.attempt == 1:
        os._exit(3)
    return number * number


def total(squares: list[int]) -> int:
    """Add up."""
    return sum(squares)


def executions(trace: Path) -> list[tuple[str, int, int]]:
    """Return (run, number, attempt) for each time that an item's handler began."""
    lines = (line.split() for line in trace.read_text(encoding="utf-8").splitlines())
    return [(run, int(number), int(attempt)) for run, number, attempt, _ in lines]


@flow(runs_on=Lambda("work"), base_delay=0, jitter=0, launch_timeout=120)
def storm(job: Node[Job]) -> Node[int]:
    """Square numbers, and add them up."""
    squares = map_step(square, step(items, job), heartbeat_timeout=20, max_attempts=10)
    return step(total, squares)


handler = lambda_handler(storm)
