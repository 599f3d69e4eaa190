"""Threads of our own for calls that block: those of asyncio are few, and others'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

__all__ = ["Abandoned", "NotBegun", "Threads"]

P = ParamSpec("P")
T = TypeVar("T")

_CLOSING: Final = 5.0
"""Seconds that calls under way have to end."""


class Abandoned(Exception):
    """The threads were closed while the call was under way: nobody waits for its end."""


class NotBegun(Exception):
    """The call was taken back before a thread began it: time was up, or the threads were closed."""


class Threads:
    """Runs calls in at most so many threads, and waits for them no longer than they may take."""

    def __init__(self, name: str, size: int) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._under_way: set[asyncio.Future[Any]] = set()
        self._closed = asyncio.Event()

    async def run(self, limit: float, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the call returns; raises TimeoutError after `limit` seconds, Abandoned or NotBegun."""
        job = self._pool.submit(call, *args, **kwargs)
        made = asyncio.wrap_future(job)
        self._under_way.add(made)
        made.add_done_callback(self._over)
        closed = asyncio.ensure_future(self._closed.wait())
        either: list[asyncio.Future[Any]] = [made, closed]
        try:
            await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closed.cancel()
            # What still waits for a thread would be done later, for nobody.
            withdrawn = job.cancel()
        if withdrawn:
            raise NotBegun
        if made.done():
            return made.result()
        raise Abandoned if self._closed.is_set() else TimeoutError

    def _over(self, made: asyncio.Future[Any]) -> None:
        self._under_way.discard(made)
        if not made.cancelled():
            made.exception()  # nobody may wait for it any more: asyncio would log that

    async def close(self) -> None:
        """Begin no more calls, and end; a thread whose call takes longer ends with it."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_CLOSING)
        self._closed.set()
        self._pool.shutdown(wait=not self._under_way)
