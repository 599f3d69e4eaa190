"""What a worker process runs at this instant, in memory that outlives it.  Standard library only.

The worker writes a task's number before the first line of user code runs and removes it when the result
is sent; the parent reads it after a crash or at a deadline.  So a crash is blamed on what really ran, and
a timeout counts from the moment the handler started, without a message for each start.
"""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass
from typing import IO, Final

__all__ = ["SlotState", "Slots"]

_FIELDS: Final = 4  # number, started (0.0 = importing), cancellable, last heartbeat; doubles
_WIDTH: Final = 8


@dataclass(frozen=True, slots=True)
class SlotState:
    """A task under way; times are on the clock `time.monotonic`."""

    started: float | None
    """None while its module is imported."""
    cancellable: bool
    """It is a coroutine."""
    heartbeat: float
    """When it last showed that it lives; at first, when it started."""


class Slots:
    """A fixed number of slots in a shared, nameless file."""

    def __init__(self, fileno: int, count: int) -> None:
        self._count = count
        self._memory = mmap.mmap(fileno, count * _FIELDS * _WIDTH)
        self._words = memoryview(self._memory).cast("d")

    @staticmethod
    def file(count: int) -> IO[bytes]:
        """Make the file for `count` slots; both processes map it."""
        from tempfile import TemporaryFile  # the worker need not load it

        file = TemporaryFile()  # noqa: SIM115  the caller closes it when the child has it
        file.truncate(count * _FIELDS * _WIDTH)
        return file

    def load(self, index: int, number: int) -> None:
        """Say that the handler's module is about to be imported for this task."""
        words, base = self._words, index * _FIELDS
        words[base + 1] = 0.0
        words[base] = number

    def start(self, index: int, number: int, *, cancellable: bool) -> None:
        """Say that the handler starts now."""
        words, base = self._words, index * _FIELDS
        words[base + 2] = cancellable
        words[base + 3] = words[base + 1] = time.monotonic()
        words[base] = number

    def micros(self, index: int) -> int:
        """Return how long the handler has run, in microseconds; 0 if it did not start."""
        started = self._words[index * _FIELDS + 1] if self._words[index * _FIELDS] else 0.0
        return int((time.monotonic() - started) * 1e6) if started else 0

    def beat(self, index: int) -> None:
        """Say that the handler lives."""
        self._words[index * _FIELDS + 3] = time.monotonic()

    def clear(self, index: int) -> None:
        """Say that nothing runs in this slot."""
        self._words[index * _FIELDS] = 0.0

    def states(self) -> dict[int, SlotState]:
        """Return what runs now, by task number."""
        words = self._words
        return {
            int(words[base]): SlotState(words[base + 1] or None, bool(words[base + 2]), words[base + 3])
            for base in range(0, self._count * _FIELDS, _FIELDS)
            if words[base]
        }

    def close(self) -> None:
        """Unmap the memory."""
        self._words.release()
        self._memory.close()
