"""The frames between the executor and its worker processes.  Standard library only.

A frame is a fixed header and two byte strings, so that a task's input and output travel as the JSON text
they are: neither side parses what it only passes on, and nothing is ever unpickled.

    kind      number          first                                       second
    TASK      the task's      JSON array, see `tasks.LocalTask.frame`     the input, JSON
    CANCEL    the task's
    RECALL
    STOP
    READY
    COMPLETED the task's      the output, JSON                            log tail, UTF-8
    FAILED    the task's      JSON: a `pgflow.runtime.Failure`            log tail, UTF-8
    RETURNED                  JSON array of the numbers of tasks
    PROGRESS  the task's      JSON
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

__all__ = [
    "CANCEL",
    "COMPLETED",
    "FAILED",
    "PROGRESS",
    "READY",
    "RECALL",
    "RETURNED",
    "STOP",
    "TASK",
    "Frame",
    "FrameReader",
    "encode",
]

TASK: Final = 1
"""Run this task."""
CANCEL: Final = 2
"""Cancel this task's coroutine, or do not start it; what cannot be cancelled is killed by the parent."""
RECALL: Final = 3
"""Hand back every task that has not started."""
STOP: Final = 4
"""Exit when the tasks sent so far are done."""
READY: Final = 16
"""The process has started and imported its preload modules."""
COMPLETED: Final = 17
"""The handler returned."""
FAILED: Final = 18
"""The handler raised, or could not be run."""
RETURNED: Final = 19
"""These tasks never started and never will in this process."""
PROGRESS: Final = 20
"""How far the handler says it is."""

_HEADER: Final = struct.Struct("!IIBQI")
_PACK: Final = _HEADER.pack
_UNPACK: Final = _HEADER.unpack_from
_SIZE: Final = _HEADER.size
MAX_PART: Final = 2**32 - 1


class Frame(NamedTuple):
    """One message; `micros` is how long the handler took, in microseconds, where that has a meaning."""

    kind: int
    number: int
    first: bytes
    second: bytes
    micros: int


def encode(kind: int, number: int = 0, first: bytes = b"", second: bytes = b"", micros: int = 0) -> bytes:
    """Return the frame as bytes; raises struct.error for a part of 4 GiB or more."""
    return _PACK(len(first), len(second), kind, number, min(micros, MAX_PART)) + first + second


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that `data` completes, in order."""
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        start, end = 0, len(buffer)
        while end - start >= _SIZE:
            first_size, second_size, kind, number, micros = _UNPACK(buffer, start)
            first = start + _SIZE
            second = first + first_size
            after = second + second_size
            if after > end:
                break
            parts = bytes(buffer[first:second]), bytes(buffer[second:after])
            frames.append(Frame(kind, number, *parts, micros))
            start = after
        if start:
            del buffer[:start]
        return frames
