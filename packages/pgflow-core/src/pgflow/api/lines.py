"""Who finds no task stands in line: a line for each executor and key, woken by the doorbell.

Who is woken claims, and wakes the next if that found something: however many wait, what becomes ready costs a
statement for each who gets some, and one more.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from pgflow.database.hearing import ReadyListener
from pgflow.errors import PgflowError

__all__ = ["Line", "Lines"]

_LONGEST_POLL: Final = 10.0
_LONGEST_POLL_DEAF: Final = 1.5
_SHORTEST_POLL: Final = 1.0
"""Where timers are dense, or what is ready is not for this key."""


class Line:
    """Those who wait for tasks of one executor with one key, first come, first served."""

    def __init__(self) -> None:
        self.members = 0
        self.rings = 0
        """How often there may have been something new: who looked before the last ring looks again."""
        self.is_closed = False
        self.poller: asyncio.Task[None] | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __bool__(self) -> bool:
        """Whether anybody waits, so that looking oneself is of no use."""
        return bool(self._waiting)

    def ring(self) -> None:
        """There may be tasks: wake the first."""
        self.rings += 1
        self.pass_on()

    def pass_on(self) -> None:
        """There may be more: wake the next."""
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(None)
                return

    def close(self) -> None:
        """Send everybody away."""
        self.is_closed = True
        while self._waiting:
            self.pass_on()

    async def turn(self, seen: int, seconds: float, gone: asyncio.Task[None]) -> bool:
        """Wait to be woken, or for a ring after `seen`; False if the time is up or the client gone."""
        if self.is_closed or gone.done():
            return False
        if self.rings != seen:
            return True
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        is_mine = False
        try:
            await asyncio.wait((mine, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            is_mine = mine.done() and not gone.done() and not self.is_closed
        finally:
            if not mine.done():
                self._waiting.remove(mine)
            elif not is_mine:
                self.pass_on()
        return is_mine


class Lines(ReadyListener):
    """All lines, by executor and key; those whom the doorbell cannot reach are woken by a poll a line."""

    def __init__(
        self,
        dsn: str,
        logger: logging.Logger,
        wake_in: Callable[[str], Awaitable[float | None]],
        *,
        listen_dsn: str | None,
    ) -> None:
        super().__init__(dsn, "pgflow claims", logger, listen_dsn=listen_dsn)
        self._wake_in = wake_in
        self._lines: dict[tuple[str, str], Line] = {}
        self._listening: asyncio.Task[None] | None = None
        self._is_closed = False

    @asynccontextmanager
    async def join(self, executor: str, key: str) -> AsyncGenerator[Line]:
        """Be one of those who wait for this executor with this key."""
        if self._listening is None:
            self._listening = asyncio.create_task(self.listen())
        name = (executor, key)
        line = self._lines.setdefault(name, Line())
        line.members += 1
        line.is_closed = self._is_closed
        if line.poller is None:
            line.poller = asyncio.create_task(self._poll(executor, line))
        try:
            yield line
        finally:
            line.members -= 1
            if not line.members:
                line.poller.cancel()
                del self._lines[name]

    def on_ready(self, executors: Sequence[str]) -> None:
        """Wake the first of each line of these executors."""
        for (executor, _), line in self._lines.items():
            if executor in executors:
                line.ring()

    def on_change(self) -> None:
        """Wake the first of every line."""
        for line in self._lines.values():
            line.ring()

    def close(self) -> None:
        """Send everybody away who waits, and listen no more."""
        self._is_closed = True
        for line in self._lines.values():
            line.close()
        if self._listening is not None:
            self._listening.cancel()

    async def _poll(self, executor: str, line: Line) -> None:
        """Look now and then, and when the next delayed task is due."""
        while True:
            delay = _LONGEST_POLL if self.hears else _LONGEST_POLL_DEAF
            if line:
                try:
                    wake_in = await self._wake_in(executor)
                except PgflowError:
                    wake_in = None  # whoever claims next is told
                if wake_in is not None:
                    delay = min(delay, max(wake_in, _SHORTEST_POLL))
            else:
                delay = _SHORTEST_POLL
            await asyncio.sleep(delay * random.uniform(0.75, 1))
            if line:
                line.ring()
