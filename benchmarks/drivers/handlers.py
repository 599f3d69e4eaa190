"""The handlers of the benchmark's flows: they do nothing, or say when they ran."""

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
