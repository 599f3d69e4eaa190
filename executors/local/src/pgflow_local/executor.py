"""The local executor: runs attempts in warm worker processes on this machine and reports on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar, cast

from pgflow.executor import (
    API_VERSION,
    Accepted,
    Attempt,
    Capability,
    ExecutorContext,
    HandleRef,
    LaunchResult,
    Observation,
    Phase,
    Rejected,
)
from pydantic import BaseModel

from pgflow_local.commands import UnknownCommand, command_for, edited
from pgflow_local.memory import can_measure
from pgflow_local.pool import Pool
from pgflow_local.process import Plan
from pgflow_local.settings import LocalSettings, LocalStepOptions
from pgflow_local.tasks import Fate
from pgflow_local.watch import Watch

__all__ = ["LocalExecutor"]


class LocalExecutor:
    """Implements `pgflow.executor.Executor`."""

    name: ClassVar[str] = "local"
    Settings: ClassVar[type[BaseModel]] = LocalSettings
    StepOptions: ClassVar[type[BaseModel]] = LocalStepOptions
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.RUNS_HERE,
            Capability.IDEMPOTENT_LAUNCH,
            Capability.OBSERVE,
            Capability.CANCEL,
            Capability.LOGS,
        }
    )
    api_version: ClassVar[int] = API_VERSION

    def __init__(self) -> None:
        self._pool: Pool | None = None
        self._watch: Watch | None = None
        self._scheduled = False

    @property
    def capacity(self) -> int:
        """How many attempts may be under way at once; more while tasks are short, 0 while nothing starts."""
        return 0 if self._pool is None else self._pool.capacity

    async def start(self, ctx: ExecutorContext) -> None:
        """Start the worker processes, without waiting for them to be ready."""
        settings = cast("LocalSettings", ctx.settings)
        self._pool = Pool(Plan(ctx.name, settings, ctx.pythonpath or (Path.cwd(),)), ctx)
        self._watch = Watch(settings, self._pool.board, self._pool.processes)
        self._pool.refill()

    async def aclose(self) -> None:
        """Hand back what waits, let what runs end within the grace, then kill and hand back the rest."""
        pool, watch, self._pool, self._watch = self._pool, self._watch, None, None
        if pool is not None and watch is not None:
            await pool.aclose()
            watch.close()

    async def launch(self, attempt: Attempt) -> LaunchResult:
        """Queue the attempt; all that are launched in one turn of the event loop go out in one write.

        The first of all goes out at once: a lone one need not wait for company.
        """
        if self._pool is None or self._watch is None:
            return Rejected("transient", "the executor is not running")
        options = cast("LocalStepOptions", attempt.options)
        if options.memory_mb is not None and not can_measure():
            return Rejected("permanent", "memory_mb needs Linux, where a process's memory can be measured")
        board = self._pool.board
        try:
            command = command_for(options.command, self._pool.settings, self._pool.name)
            if command is not None:
                command = edited(command, partial(self._pool.edited, attempt))
        except UnknownCommand as error:
            board.refuse(attempt, str(error))
            return _ACCEPTED
        except ValueError as error:
            return Rejected("permanent", str(error))
        adopted = not board.add(attempt, time.monotonic(), command)
        self._watch.wake()
        if len(board.open) == 1:
            self._pool.distribute()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._distribute)
        return _ADOPTED if adopted else _ACCEPTED

    async def observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        """Say where attempts stand; one that is not here has ended, or never was."""
        return [self._observe(ref) for ref in refs]

    async def cancel(self, ref: HandleRef, grace: timedelta) -> None:
        """Begin to stop the attempt and return; nothing is reported of it any more."""
        if self._pool is None or self._watch is None:
            return
        board = self._pool.board
        task = board.find(ref)
        if task is None:
            return
        task.doom(Fate.CANCEL, grace.total_seconds())
        process = board.process_of(task)
        if process is None:
            board.drop(task)
            return
        process.cancel(task.number)
        self._watch.enforce(process)

    def _observe(self, ref: HandleRef) -> Observation:
        board = None if self._pool is None else self._pool.board
        task = None if board is None else board.find(ref)
        if board is None or task is None:
            return Observation(ref, Phase.NOT_FOUND)
        process = board.process_of(task)
        runs = process is not None and task.number in process.slots.states()
        return Observation(ref, Phase.RUNNING if runs else Phase.PENDING)

    def _distribute(self) -> None:
        self._scheduled = False
        if self._pool is not None:
            self._pool.distribute()


_ACCEPTED = Accepted()
_ADOPTED = Accepted(adopted=True)
