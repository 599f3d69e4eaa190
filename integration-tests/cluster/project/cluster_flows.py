"""Flows whose steps run as Jobs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from pgflow import Node, flow, map_step, step
from pgflow_kubernetes import Job

QUICK = {"base_delay": 0.05, "jitter": 0.0, "launch_timeout": 60}


def split(text: str) -> list[str]:
    return text.split()


def measure(word: str) -> int:
    return len(word)


def total(lengths: list[int]) -> int:
    return sum(lengths)


@flow(runs_on=Job(), **QUICK)
def tally(text: Node[str]) -> Node[int]:
    return step(total, map_step(measure, step(split, text)))


def once(number: int) -> int:
    """Take a while, so that a dispatcher dies meanwhile."""
    time.sleep(0.2)
    return number + 1


@flow(runs_on=Job(), **QUICK)
def single(number: Node[int]) -> Node[int]:
    return step(once, number)


def killed(number: int) -> int:
    print("about to be killed, password=hunter2", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@flow(runs_on=Job(), max_attempts=1, **QUICK)
def out_of_memory(number: Node[int]) -> Node[int]:
    return step(killed, number)


@flow(runs_on=Job(command=["sh", "-c", "exit 0"]), max_attempts=1, base_delay=0.05, launch_timeout=60)
def silent(number: Node[int]) -> Node[int]:
    return step(once, number)


@flow(runs_on=Job(image="registry.invalid/task:missing"), max_attempts=1, base_delay=600, launch_timeout=60)
def unpullable(number: Node[int]) -> Node[int]:
    return step(once, number)


def wait_for(path: str) -> str:
    Path(path).with_suffix(".started").touch()
    while not Path(path).exists():
        time.sleep(0.05)
    return "released"


@flow(runs_on=Job(), **QUICK)
def held(path: Node[str]) -> Node[str]:
    return step(wait_for, path)


@flow(runs_on=Job(), max_attempts=1, **QUICK)
def held_once(path: Node[str]) -> Node[str]:
    return step(wait_for, path)


REPORTER = Path(__file__).with_name("reporter.py")


@flow(
    runs_on=Job(command=["python", "-SE", str(REPORTER)]),
    max_attempts=20,
    base_delay=0.05,
    launch_timeout=30,
)
def increment(number: Node[int]) -> Node[int]:
    return step(once, number)
