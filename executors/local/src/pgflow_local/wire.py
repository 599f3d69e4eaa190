"""The frames between the executor and its worker processes.  Standard library only.

A frame is a fixed header and two byte strings, so that a task's input and output travel as the JSON text
they are: neither side parses what it only passes on, and nothing is ever unpickled.

    kind      number          first                                       second
    TASK      the task's      `WHICH`, then what its step's tasks share   the input, JSON
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
    "RING",
    "STOP",
    "TASK",
    "WHICH",
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

RING: Final = b"!"
"""Written to a pipe of its own after a CANCEL or RECALL: a worker does not read while its handler runs."""

WHICH: Final = struct.Struct("!16sII")
"""Of a TASK: the run's id, the task's index in its step, the attempt's number."""

_HEADER: Final = struct.Struct("!IIBQI")
_PACK: Final = _HEADER.pack
_UNPACK: Final = _HEADER.unpack_from
_SIZE: Final = _HEADER.size
_ROOM: Final = 65_536
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
    """Cuts a stream of bytes into frames, which are received where they are cut.

    Its room is small: C allocates a large buffer for each read anew, which takes longer than to read.
    """

    def __init__(self) -> None:
        self._bytes = memoryview(bytearray(_ROOM))
        self._end = 0
        """How many bytes wait for the rest of their frame."""

    def room(self) -> memoryview:
        """Return where to put the bytes that come next; it is never full."""
        return self._bytes[self._end :]

    def take(self, count: int) -> list[Frame]:
        """Return the frames that `count` more bytes complete, in order."""
        received, start, end = self._bytes, 0, self._end + count
        frames: list[Frame] = []
        size = 0
        while end - start >= _SIZE:
            first_size, second_size, kind, number, micros = _UNPACK(received, start)
            size = _SIZE + first_size + second_size
            if start + size > end:
                break
            first = start + _SIZE
            second = first + first_size
            parts = received[first:second].tobytes(), received[second : second + second_size].tobytes()
            frames.append(Frame(kind, number, *parts, micros))
            start, size = start + size, 0
        self._keep(start, end, size)
        return frames

    def _keep(self, start: int, end: int, size: int) -> None:
        """Move the beginning of a frame of `size` bytes to the front of a buffer that can hold the whole."""
        rest = self._bytes[start:end]
        self._end = len(rest)
        if len(self._bytes) != (room := max(size, _ROOM)):
            self._bytes = memoryview(bytearray(room))
        self._bytes[: len(rest)] = rest
