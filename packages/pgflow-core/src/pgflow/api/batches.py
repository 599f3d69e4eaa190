"""Many callers, few statements: what arrives while a statement is under way goes into the next one.

Nobody waits for company: on an idle server a report leaves at once, on a busy one batches fill by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from pgflow.database.statements.tasks import MAX_CHARACTERS, MAX_REPORTS
from pgflow.errors import DatabaseUnreachable, PgflowError

__all__ = ["Batches"]

A = TypeVar("A")


class Batches(Generic[A]):
    """Sends items, JSON texts, joined into arrays; every caller gets the answer to its own item."""

    def __init__(self, senders: Sequence[Callable[[str], Awaitable[Sequence[A]]]]) -> None:
        self._senders = senders
        self._waiting: deque[tuple[str, asyncio.Future[A]]] = deque()
        self._any = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to send."""
        self._tasks = [asyncio.create_task(self._serve(send)) for send in self._senders]

    async def aclose(self) -> None:
        """Stop sending; who still waits is told that the database cannot be reached."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for _, future in self._waiting:
            future.cancel()

    async def submit(self, item: str) -> A:
        """Send one item and wait for its answer.  Raises what the database says of it."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._any.set()
        return await future

    async def _serve(self, send: Callable[[str], Awaitable[Sequence[A]]]) -> None:
        while True:
            await self._any.wait()
            await asyncio.sleep(0)  # requests that were read together go together
            taken = self._take()
            if taken:
                await _deliver(send, taken)

    def _take(self) -> list[tuple[str, asyncio.Future[A]]]:
        taken: list[tuple[str, asyncio.Future[A]]] = []
        characters = 0
        while self._waiting and len(taken) < MAX_REPORTS:
            characters += len(self._waiting[0][0])
            if taken and characters > MAX_CHARACTERS:
                break
            taken.append(self._waiting.popleft())
        if not self._waiting:
            self._any.clear()
        return taken


async def _deliver(
    send: Callable[[str], Awaitable[Sequence[A]]], batch: Sequence[tuple[str, asyncio.Future[A]]]
) -> None:
    """Send a batch; if the database refuses it, its halves, until the culprit stands alone."""
    try:
        answers = await send(f"[{','.join([item for item, _ in batch])}]")
    except asyncio.CancelledError:
        for _, future in batch:
            future.cancel()
        raise
    except Exception as error:  # whatever it is, those who wait must hear of it
        if len(batch) > 1 and isinstance(error, PgflowError) and not isinstance(error, DatabaseUnreachable):
            middle = len(batch) // 2
            await _deliver(send, batch[:middle])
            await _deliver(send, batch[middle:])
            return
        for _, future in batch:
            if not future.done():
                future.set_exception(error)
        return
    for (_, future), answer in zip(batch, answers, strict=True):
        if not future.done():  # its client went away
            future.set_result(answer)
