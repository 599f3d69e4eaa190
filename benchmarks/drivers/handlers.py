"""The handlers of the benchmark's flows: they do nothing, or say when they ran."""

import asyncio
import time


def value(value: object) -> object:
    """Return the argument."""
    return value


def item(item: object) -> object:
    """Return the item."""
    return item


def count(values: list[object]) -> int:
    """Return how many values there are."""
    return len(values)


def moments(value: object) -> list[int]:
    """Return when the handler started and ended, in nanoseconds of the machine's monotonic clock."""
    return [time.monotonic_ns(), time.monotonic_ns()]


def compute(milliseconds: int) -> int:
    """Keep a processor busy for so long, by this thread's own clock."""
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        sum(range(200))
    return milliseconds


def wait(milliseconds: int) -> int:
    """Do nothing for so long."""
    time.sleep(milliseconds / 1000)
    return milliseconds


async def await_(milliseconds: int) -> int:
    """Do nothing for so long, beside others."""
    await asyncio.sleep(milliseconds / 1000)
    return milliseconds
