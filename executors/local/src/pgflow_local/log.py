"""The file that a worker process writes its stdout and stderr to.  Standard library only.

It holds the output of the task under way: the worker takes it out at each task's end, the parent after a
crash.  A nameless file in append mode never blocks the writer and catches C code and child processes.
"""

from __future__ import annotations

import fcntl
import os
from typing import IO, Final

__all__ = ["log_file", "shorten", "tail", "take"]

_ROOM: Final = 16
"""The file may grow to this many times the cap before what is too old is dropped."""


def log_file() -> IO[bytes]:
    """Make an empty log file in append mode."""
    from tempfile import TemporaryFile  # the worker need not load it

    file = TemporaryFile(buffering=0)  # noqa: SIM115  it lives as long as the process
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
    return file


def tail(fileno: int, limit: int) -> bytes:
    """Return the last `limit` bytes, after a line that says how many were dropped."""
    size = os.fstat(fileno).st_size
    if not size or not limit:
        return b""
    if size <= limit:
        return os.pread(fileno, size, 0)
    return b"[... %d bytes of output dropped ...]\n" % (size - limit) + os.pread(fileno, limit, size - limit)


def take(fileno: int, limit: int) -> bytes:
    """Return the tail and empty the file; an empty file costs one system call.

    In append mode nobody minds where the file's offset is left.
    """
    if not os.lseek(fileno, 0, os.SEEK_END):
        return b""
    kept = tail(fileno, limit)
    os.ftruncate(fileno, 0)
    return kept


def shorten(fileno: int, limit: int) -> None:
    """Drop old output of a task that writes without end; what is written meanwhile may be lost."""
    if os.fstat(fileno).st_size > max(limit * _ROOM, 1_048_576):
        os.write(fileno, take(fileno, limit))
