"""Whose output is whose: the task's own, as a tail of at most so many bytes."""

from __future__ import annotations

import ctypes
import io
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import TextIO

from pgflow.runtime.output import Tail

from pgflow_local import log

__all__ = ["ContextCapture", "FileCapture"]


class FileCapture:
    """For one task at a time: all that reaches file descriptors 1 and 2, from C and child processes too."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._fileno = os.dup(1)
        self._flush_c = _flush_c()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        for stream in (sys.stdout, sys.stderr):
            try:  # noqa: SIM105  it takes half the time, for each task
                stream.flush()
            except Exception:  # noqa: S110  user code may have closed or replaced it
                pass
        self._flush_c()
        return log.take(self._fileno, self._limit)


class ContextCapture:
    """For concurrent tasks: what they write to `sys.stdout` and `sys.stderr`; child processes escape it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._current: ContextVar[Tail | None] = ContextVar("pgflow_output", default=None)
        sys.stdout = _Stream(sys.stdout, self._current)
        sys.stderr = _Stream(sys.stderr, self._current)

    def begin(self) -> Callable[[], bytes]:
        """Collect the output of the current context from now on; call the result to take it."""
        tail = Tail(self._limit)
        self._current.set(tail)
        return tail.take


class _Stream(io.TextIOBase):
    """A text stream that writes to the current task's tail, or to the stream it stands for."""

    encoding = "utf-8"

    def __init__(self, behind: TextIO, current: ContextVar[Tail | None]) -> None:
        self._behind = behind
        self._current = current

    def fileno(self) -> int:
        return self._behind.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        tail = self._current.get()
        if tail is None:
            return self._behind.write(text)
        tail.write(text)
        return len(text)

    def flush(self) -> None:
        self._behind.flush()


def _flush_c() -> Callable[[], object]:
    """Return C's fflush(NULL), if the C library can be reached."""
    try:
        flush = ctypes.CDLL(None).fflush
    except (OSError, AttributeError, TypeError):
        return lambda: None
    return lambda: flush(None)
