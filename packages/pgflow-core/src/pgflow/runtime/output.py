"""What a task writes to stdout and stderr: passed on, and its tail kept for the report."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO, cast

__all__ = ["Tail", "captured", "keep"]


class Tail:
    """The last bytes of a text that grows; any thread may write."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Append a text."""
        part = text.encode(errors="backslashreplace")
        with self._lock:
            self._parts.append(part)
            self._size += len(part)
            while self._parts and self._size - len(self._parts[0]) >= self._limit:
                self._size -= len(self._parts[0])
                self._dropped += len(self._parts.popleft())

    def take(self) -> bytes:
        """Return the tail, after a line that says how much was dropped."""
        if not self._limit:
            return b""
        with self._lock:
            whole = b"".join(self._parts)
        dropped = self._dropped + max(0, len(whole) - self._limit)
        kept = whole[max(0, len(whole) - self._limit) :]
        return b"[... %d bytes of output dropped ...]\n" % dropped + kept if dropped else kept


class _Copied:
    """A text stream whose lines go to a tail, too; what is written past it, as bytes, does not."""

    def __init__(self, stream: TextIO, tail: Tail) -> None:
        self._stream = stream
        self._tail = tail

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def keep(self, text: str) -> None:
        self._tail.write(text)

    def write(self, text: str) -> int:
        self._tail.write(text)
        return self._stream.write(text)


def keep(text: str) -> None:
    """Add a text to the tail, if output is captured, that goes to its readers by another way."""
    if isinstance(sys.stderr, _Copied):
        sys.stderr.keep(text)


@contextmanager
def captured(limit: int) -> Generator[Tail]:
    """Keep the last `limit` bytes of what is written to `sys.stdout` and `sys.stderr` inside the block."""
    tail = Tail(limit)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", _Copied(stream, tail)) for stream in before)
    try:
        yield tail
    finally:
        sys.stdout, sys.stderr = before
