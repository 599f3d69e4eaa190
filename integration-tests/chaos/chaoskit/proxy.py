"""A TCP proxy that can be cut, slowed down and stopped: the network between a client and its server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

CHUNK = 65_536


class Proxy:
    """Forwards a free port of this machine to `target`; runs in a thread, obeys any other."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.delay = 0.0
        """Seconds that every chunk takes longer, in each direction."""
        self.breaks_at: bytes | None = None
        """An answer of the server with these bytes in it is lost, and its connection breaks."""
        self._target = target
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def drop(self) -> None:
        """Break every connection there is; new ones may come."""
        self._loop.call_soon_threadsafe(self._abort)

    def cut(self) -> None:
        """Break every connection, and refuse new ones until mended."""
        self._is_cut = True
        self.drop()

    def mend(self) -> None:
        """Let connections through again, without delay."""
        self._is_cut = False
        self.delay = 0.0

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listening))
        self._loop.run_forever()
        server.close()
        self._abort()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self._writers.add(writer)  # now: it may be cut while the other half is opened
        try:
            there, away = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            self._writers.remove(writer)
            return
        pair = {writer, away}
        self._writers.add(away)
        try:
            await asyncio.gather(self._forward(reader, away), self._forward(there, writer, is_answer=True))
        finally:
            self._writers -= pair
            for each in pair:
                each.transport.abort()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if is_answer and self.breaks_at is not None and self.breaks_at in data:
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
