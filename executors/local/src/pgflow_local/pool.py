"""The pool keeps the wanted number of worker processes alive and buries those that end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from pgflow.executor import ExecutorContext

from pgflow_local import wire
from pgflow_local.board import Board
from pgflow_local.process import Plan, State, WorkerProcess

__all__ = ["Pool"]

_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 30.0
"""Seconds of back-off after a process that could not be started; doubled each time."""


class Pool:
    """The worker processes of one executor; all methods run in its event loop."""

    def __init__(self, plan: Plan, ctx: ExecutorContext) -> None:
        self._plan = plan
        self._logger: logging.Logger = ctx.logger
        self.settings = plan.settings
        self.name = ctx.name
        self.edited = ctx.edited
        self._failed_starts = 0
        self._retry: asyncio.TimerHandle | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._closing = False
        self._changed = asyncio.Event()
        self.processes: set[WorkerProcess] = set()
        self.board = Board(plan.settings, ctx, self.processes)

    @property
    def capacity(self) -> int:
        """Attempts that may be under way: one a slot, and more ahead of it while tasks are short."""
        ready = [process for process in self._shared() if process.state is State.READY]
        if self._closing or (self._failed_starts and not ready):
            return 0
        settings = self._plan.settings
        free = sum(not process.stuck for process in ready)
        return settings.processes * settings.concurrency_per_process + self.board.ahead() * free

    def refill(self) -> None:
        """Start the processes that are missing: one at a time while starting fails."""
        if self._closing or self._retry is not None:
            return
        states = [process.state for process in self._shared()]
        starting = states.count(State.STARTING)
        missing = self._plan.settings.processes - starting - states.count(State.READY)
        if self._failed_starts:
            missing = min(missing, 1 - starting)
        for _ in range(missing):
            self._add(WorkerProcess(self._plan, self))
        self._start_isolated()

    def _start_isolated(self) -> None:
        """Start a process for each task that wants its own, as many at once as there are shared ones."""
        if not self.board.isolated:
            return
        settings = self._plan.settings
        room = settings.processes - sum(process.own is not None for process in self.processes)
        alone = replace(self._plan, settings=settings.model_copy(update={"concurrency_per_process": 1}))
        while self.board.isolated and room > 0:
            self._add(WorkerProcess(alone, self, self.board.isolated.popleft()))
            room -= 1

    def _add(self, process: WorkerProcess) -> None:
        self.processes.add(process)
        task = asyncio.create_task(self._start(process), name="pgflow-local-start")
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    def _shared(self) -> Iterator[WorkerProcess]:
        return (process for process in self.processes if process.own is None)

    async def aclose(self) -> None:
        """End all processes; what still runs after the grace is killed and handed back."""
        self._closing = self.board.closing = True
        if self._retry is not None:
            self._retry.cancel()
        self.board.release_waiting("SHUTDOWN", "the executor shut down before the handler started")
        if self._starting:
            await asyncio.wait(self._starting)
        for process in list(self.processes):
            if process.state is State.STARTING:
                process.stop(0)
            else:
                process.recall()
                process.retire()
        loop = asyncio.get_running_loop()
        kill = loop.call_later(self._plan.settings.grace.total_seconds(), self._kill)
        while self.processes:
            self._changed.clear()
            await self._changed.wait()
        kill.cancel()

    def distribute(self) -> None:
        """Give waiting tasks to the processes, and replace those that have had their share."""
        self.board.distribute()
        self.refill()

    def ready(self, process: WorkerProcess) -> None:
        """Use a process that has come up."""
        if self._failed_starts:
            self._failed_starts = 0
            self._logger.info("worker processes start again (pid %d)", process.pid)
        if process.own is not None:
            process.flush()
            process.retire()
        self.distribute()

    def received(self, process: WorkerProcess, frames: Sequence[wire.Frame]) -> None:
        """Settle what a process did, and give it more."""
        self.board.received(process, frames)
        self.distribute()

    def ended(self, process: WorkerProcess) -> None:
        """Replace a process that ended; slowly, if it was of no use."""
        self.processes.discard(process)
        self._changed.set()
        ran = self.board.abandoned(process)
        if self._closing:
            return
        what = process.ending()
        if not process.was_ready and process.stopped:
            what = f"was not ready after {self._plan.settings.start_timeout.total_seconds():g} s"
        useful = ran or process.worked or (process.was_ready and process.dismissed)
        unwanted = process.own is not None and not self.board.has(process.own)  # it was cancelled
        if not useful and not unwanted:
            self._start_failed(f"a worker process {what}", process.output())
        elif not ran and not process.dismissed:
            self._logger.warning("a worker process (pid %d) %s; it was running no task", process.pid, what)
        self.distribute()

    async def _start(self, process: WorkerProcess) -> None:
        try:
            await process.start()
        except (OSError, ValueError) as error:
            self.processes.discard(process)
            self._changed.set()
            if process.own is not None:
                self.board.put_back(process.own)
            self._start_failed(f"a worker process cannot be started: {error}", "")
            return
        if process.own is not None:
            if self.board.has(process.own):
                process.give(process.own)
            else:  # it was cancelled meanwhile
                process.stop(0)

    def _start_failed(self, what: str, output: str) -> None:
        """Wait longer each time; meanwhile nothing waits here for a process that may never come."""
        self._failed_starts += 1
        delay = min(_FIRST_DELAY * 2 ** (self._failed_starts - 1), _LONGEST_DELAY)
        said = f"; its last output was:\n{output.rstrip()}" if output.strip() else ""
        self._logger.error("%s; next try in %g s%s", what, delay, said)
        if self._retry is None and not self._closing:
            self._retry = asyncio.get_running_loop().call_later(delay, self._try_again)
        if not any(process.state is State.READY for process in self._shared()):
            self.board.release_waiting("NO_WORKER", what, retry_after_seconds=delay)

    def _try_again(self) -> None:
        self._retry = None
        self.refill()

    def _kill(self) -> None:
        for process in list(self.processes):
            process.stop(0)
