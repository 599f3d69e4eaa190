"""Runs one task at a time, in the main thread, with all its output captured."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pgflow.runtime import run_handler, run_handler_async
from pgflow.runtime.call import run_to_end

from pgflow_local import wire
from pgflow_local.slots import Slots
from pgflow_local.worker import tripwire
from pgflow_local.worker.capture import FileCapture
from pgflow_local.worker.job import Finder, Found, Host, Job, failure
from pgflow_local.worker.link import Link

if TYPE_CHECKING:
    import asyncio

__all__ = ["SerialRunner"]

_SLOT = 0


class SerialRunner:
    """Reads the link when it has nothing to run; while a handler runs, the bell's thread does if it must."""

    def __init__(self, link: Link, slots: Slots, finder: Finder, capture: FileCapture, executor: str) -> None:
        self._link = link
        self._slots = slots
        self._finder = finder
        self._capture = capture
        self._executor = executor
        self._pid = os.getpid()
        self._inbox: deque[wire.Frame | None] = deque()
        """What waits to be run; None: the end."""
        self._reading = threading.Lock()
        """Held while the link is read and what came is queued."""
        self._cancelled: set[int] = set()
        self._coroutine: tuple[int, asyncio.Task[str]] | None = None
        self._runner: asyncio.Runner | None = None

    def run(self) -> None:
        """Run tasks until told to stop."""
        self._link.listen(self._read_orders)
        self._link.send(wire.encode(wire.READY))
        while (frame := self._next()) is not None:
            if frame.number in self._cancelled:
                self._cancelled.discard(frame.number)
                self._return([frame.number])
            else:
                self._run(frame)

    def close(self) -> None:
        """End what handlers left in the event loop."""
        if self._runner is not None:
            self._runner.close()

    def accept(self, tasks: Sequence[wire.Frame]) -> None:
        """Queue tasks."""
        self._inbox.extend(tasks)

    def cancel(self, number: int) -> None:
        """Cancel the coroutine if it runs, or see to it that the task does not start."""
        self._cancelled.add(number)
        running = self._coroutine
        if running is not None and running[0] == number:
            running[1].get_loop().call_soon_threadsafe(running[1].cancel)

    def recall(self) -> None:
        """Take back what is queued: each task comes out of the queue once, here or in `run`."""
        numbers: list[int] = []
        stopping = False
        while self._inbox:
            try:
                frame = self._inbox.popleft()
            except IndexError:  # `run` was faster
                break
            if frame is None:
                stopping = True
            else:
                numbers.append(frame.number)
        if stopping:
            self._inbox.append(None)
        self._return(numbers)

    def stop(self) -> None:
        """End `run` after what is queued."""
        self._inbox.append(None)

    def _next(self) -> wire.Frame | None:
        while True:
            try:
                return self._inbox.popleft()
            except IndexError:
                with self._reading:
                    if not self._inbox:  # the other thread may have read meanwhile
                        self._link.read(self)

    def _read_orders(self, rings: int) -> None:
        """Read until all is obeyed that the parent has rung for, unless `run` does."""
        with self._reading:
            while self._link.obeyed < rings:
                self._link.read(self)

    def _run(self, frame: wire.Frame) -> None:
        number = frame.number
        try:
            kind, answer = wire.COMPLETED, self._call(frame).encode()
        except BaseException as error:  # whatever user code raises is this task's failure alone
            kind, answer = wire.FAILED, failure(error)
        if os.getpid() != self._pid:  # the handler forked, and its child came back here
            os._exit(0)
        try:
            output = self._capture.take()
        except OSError:  # the handler closed files that are not its own
            tripwire.cut_off()
        self._link.send(wire.encode(kind, number, answer, output, self._slots.micros(_SLOT)))
        self._slots.clear(_SLOT)
        if self._cancelled:
            self._cancelled.discard(number)

    def _call(self, frame: wire.Frame) -> str:
        number = frame.number
        job = Job(frame, Host(self._link, self._slots, _SLOT, number, self._cancelled), self._executor)
        found = self._finder.find(job.step, index=_SLOT, number=number)
        if found.is_async:
            return self._call_async(found, job, number)
        self._slots.start(_SLOT, number, cancellable=False)
        return run_handler(found.handler, job.step.params, job.input, task=job.start())

    def _call_async(self, found: Found, job: Job, number: int) -> str:
        loop = self._event_loop()
        self._slots.start(_SLOT, number, cancellable=True)
        coroutine = run_handler_async(found.handler, job.step.params, job.input, task=job.start())
        running = loop.create_task(coroutine)
        self._coroutine = (number, running)
        if number in self._cancelled:  # the order came before it could be cancelled
            running.cancel()
        try:
            return run_to_end(loop, running)
        finally:
            self._coroutine = None

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that lives as long as the process; sync handlers never need asyncio."""
        if self._runner is None:
            import asyncio

            self._runner = asyncio.Runner()
        return self._runner.get_loop()

    def _return(self, numbers: Sequence[int]) -> None:
        self._link.send(wire.encode(wire.RETURNED, first=json.dumps(numbers).encode()))
