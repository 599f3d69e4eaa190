"""When the shuttles of a lane leave: as soon as an exchange is due, one of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

__all__ = ["Departures"]


class Departures:
    """Where shuttles rest; the one that came last leaves first: its server process is the warmest.

    Whoever changes what the delay depends on has it looked at again: `reconsider`.
    """

    def __init__(self, delay: Callable[[], float]) -> None:
        """`delay` tells how many seconds are left as things stand; infinite: until they change."""
        self._delay = delay
        self._loop = asyncio.get_running_loop()
        self._resting: list[asyncio.Future[None]] = []
        self._called = False
        """A shuttle was called and is not back on its feet: it will see all that happens until then."""
        self._timer: asyncio.TimerHandle | None = None

    async def due(self) -> None:
        """Rest until an exchange is due."""
        while (delay := self._delay()) > 0:
            self._look_in(delay)
            await self._rest()

    def reconsider(self) -> None:
        """Call a shuttle if an exchange is due now, and see to it in time if one is later."""
        if self._called or not self._resting:
            return
        delay = self._delay()
        if delay > 0:
            self._look_in(delay)
        else:
            self._called = True
            self._resting.pop().set_result(None)

    async def _rest(self) -> None:
        called = self._loop.create_future()
        self._resting.append(called)
        try:
            await called
        except asyncio.CancelledError:
            if called in self._resting:
                self._resting.remove(called)
            raise
        finally:
            self._called = False

    def _look_in(self, delay: float) -> None:
        """Look again in so many seconds, at most: a look that comes too early does no harm."""
        if math.isinf(delay):
            return
        at = self._loop.time() + delay
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer = None
        self.reconsider()
