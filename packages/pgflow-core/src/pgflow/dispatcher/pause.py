"""Wait between two looks at the database, for a time that may shorten meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable

__all__ = ["Pause"]


class Pause:
    """Waits for most of an interval, so that dispatchers that start together do not ask together."""

    def __init__(self, interval: Callable[[], float]) -> None:
        """`interval` tells the seconds to wait as things stand."""
        self._interval = interval
        self._over = False
        self._stirred = asyncio.Event()

    def reconsider(self) -> None:
        """The interval may be another now."""
        self._stirred.set()

    def end(self) -> None:
        """Wait no longer; if nobody waits now, not the next time."""
        self._over = True
        self._stirred.set()

    async def wait(self) -> None:
        """Return once the interval has passed since the call, as it is told then, or at the `end`."""
        loop = asyncio.get_running_loop()
        began, part = loop.time(), random.uniform(0.75, 1)
        while not self._over and (left := began + self._interval() * part - loop.time()) > 0:
            self._stirred.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._stirred.wait()
        self._over = False
