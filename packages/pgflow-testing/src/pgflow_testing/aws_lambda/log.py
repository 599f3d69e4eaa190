"""What a process writes: its output, and the log records that the runtime client sends past it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Final

__all__ = ["Log"]

_BYTES: Final = 65_536
_HEAD: Final = 16
"""Bytes before a record: its kind, its length, its time."""


class Log:
    """The end of it."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def clear(self) -> None:
        """Forget what was written so far."""
        self._kept.clear()

    async def tail(self) -> bytes:
        """Return the end of what was written before now."""
        # Its readers have been woken if anything is there; this lets them run.
        await asyncio.sleep(0)
        return bytes(self._kept)

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Keep what comes, to its end."""
        while part := await stream.read(4096):
            self._keep(part)

    async def read_records(self, descriptor: int) -> None:
        """Keep the records that come framed through a pipe, to its end."""
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(descriptor, "rb", 0)
        )
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await stream.readexactly(_HEAD)
                self._keep(await stream.readexactly(int.from_bytes(head[4:8], "big")))
        transport.close()

    def _keep(self, part: bytes) -> None:
        self._kept += part
        del self._kept[:-_BYTES]
