"""Runs several async tasks at once in one event loop; sync handlers take turns in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Sequence
from typing import cast

from pgflow.runtime import run_handler_async

from pgflow_local import wire
from pgflow_local.slots import Slots
from pgflow_local.worker.capture import ContextCapture
from pgflow_local.worker.job import Finder, Found, Host, Job, failure
from pgflow_local.worker.link import Link

__all__ = ["ConcurrentRunner"]


class ConcurrentRunner:
    """Reads the link in its event loop, which `run` turns and all its state belongs to."""

    def __init__(
        self,
        link: Link,
        slots: Slots,
        finder: Finder,
        capture: ContextCapture,
        *,
        executor: str,
        concurrency: int,
    ) -> None:
        self._link = link
        self._slots = slots
        self._finder = finder
        self._capture = capture
        self._executor = executor
        self._free = list(range(concurrency))
        self._queue: deque[wire.Frame] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancellable: dict[int, asyncio.Task[None]] = {}
        self._cancelled: set[int] = set()
        self._stopping = False
        self._ended = False
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._turn = asyncio.Lock()

    def run(self) -> None:
        """Run tasks until told to stop."""
        self._loop.add_reader(self._link.fileno(), self._link.read, self)
        self._link.listen(_unheeded)
        self._link.send(wire.encode(wire.READY))
        while not self._ended:
            # asyncio lets these two out of the loop besides giving them to the culprit's awaiter.
            with contextlib.suppress(KeyboardInterrupt, SystemExit):
                self._loop.run_forever()

    def close(self) -> None:
        """End what handlers left in the loop."""
        self._runner.close()

    def accept(self, tasks: Sequence[wire.Frame]) -> None:
        """Queue tasks, and start them while there is room."""
        self._queue.extend(tasks)
        self._start_more()

    def cancel(self, number: int) -> None:
        """Cancel a running task, or do not start it."""
        self._cancelled.add(number)
        if (running := self._cancellable.get(number)) is not None:
            running.cancel()

    def recall(self) -> None:
        """Hand back what is queued."""
        numbers = [frame.number for frame in self._queue]
        self._queue.clear()
        self._return(numbers)

    def stop(self) -> None:
        """End `run` when everything queued is done."""
        self._stopping = True
        self._start_more()

    def _start_more(self) -> None:
        while self._queue and self._free:
            self._tasks.add(self._loop.create_task(self._run(self._queue.popleft(), self._free.pop())))
        if self._stopping and not self._tasks:
            self._ended = True
            self._loop.stop()

    async def _run(self, frame: wire.Frame, index: int) -> None:
        number = frame.number
        take = self._capture.begin()
        try:
            kind, answer = wire.COMPLETED, (await self._call(frame, index)).encode()
        except BaseException as error:  # whatever user code raises is this task's failure alone
            kind, answer = wire.FAILED, failure(error)
        micros = self._slots.micros(index)
        self._link.send(wire.encode(kind, number, answer, take(), micros))
        self._slots.clear(index)
        self._cancelled.discard(number)
        self._tasks.discard(_this_task())
        self._free.append(index)
        self._start_more()

    async def _call(self, frame: wire.Frame, index: int) -> str:
        number = frame.number
        job = Job(frame, Host(self._link, self._slots, index, number, self._cancelled), self._executor)
        found = self._finder.find(job.step, index=index, number=number)
        if not found.is_async:
            async with self._turn:
                return await self._perform(job, found, number, index)
        self._cancellable[number] = _this_task()
        try:
            return await self._perform(job, found, number, index)
        finally:
            del self._cancellable[number]

    async def _perform(self, job: Job, found: Found, number: int, index: int) -> str:
        if number in self._cancelled:
            raise asyncio.CancelledError
        self._slots.start(index, number, cancellable=found.is_async)
        return await run_handler_async(found.handler, job.step.params, job.input, task=job.start())

    def _return(self, numbers: Sequence[int]) -> None:
        self._link.send(wire.encode(wire.RETURNED, first=json.dumps(numbers).encode()))


def _this_task() -> asyncio.Task[None]:
    return cast("asyncio.Task[None]", asyncio.current_task())


def _unheeded(rings: int) -> None:
    """The event loop reads orders at once, unless a handler blocks it; then nothing could be cancelled."""
