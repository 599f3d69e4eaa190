"""The dispatcher: one asyncio process that serves many executors from one database."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pluggy

from pgflow.dispatcher.doorbell import Doorbell
from pgflow.dispatcher.here import HereLane
from pgflow.dispatcher.hooks import Hooks
from pgflow.dispatcher.lane import Lane, LaneSettings
from pgflow.dispatcher.launching import LaunchLane
from pgflow.dispatcher.leases import LeaseKeeper
from pgflow.dispatcher.links import Database, Link
from pgflow.dispatcher.problems import Problems
from pgflow.dispatcher.spans import Spans
from pgflow.dispatcher.status import DispatcherState, DispatcherStatus, LaneStatus
from pgflow.dispatcher.upkeep import Upkeep
from pgflow.dispatcher.waits import WaitSampler
from pgflow.errors import ConfigError
from pgflow.executor import Capability, ExecutorContext
from pgflow.plugins import ExecutorInstance

__all__ = ["Dispatcher"]

_FLUSH_SECONDS: Final = 10.0
_FLUSH_SECONDS_IN_A_HURRY: Final = 2.0
"""For the last reports, once nothing runs any more."""

_CLOSE_SECONDS: Final = 60.0
"""For an executor to stop what still runs: it has a grace of its own."""


class Dispatcher:
    """Claims tasks for executors, hands them over, keeps their leases, reports what they say.

    `dsn` must lead to a direct connection for LISTEN to work; else `listen_dsn` may, and else it polls.
    `lease` is in seconds: how long after this process dies its tasks are run again elsewhere.
    `grace` is in seconds: how long running tasks may go on after a request to stop.
    `hooks` are those of `load_plugins()`.
    `samples_waits` times how long tasks were ready before they were claimed: one more query a busy second.
    """

    def __init__(
        self,
        dsn: str,
        executors: Iterable[ExecutorInstance],
        *,
        worker_id: str | None = None,
        lease: float = 30.0,
        grace: float = 20.0,
        shuttles: int = 2,
        samples_waits: bool = False,
        spans: Spans | None = None,
        listen_dsn: str | None = None,
        pythonpath: Sequence[Path] = (),
        hooks: Mapping[str, pluggy.PluginManager] | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        if lease <= 0:
            raise ConfigError(f"lease is a number of seconds above 0, not {lease!r}")
        self.worker_id = worker_id or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._dsn = dsn
        self._listen_dsn = listen_dsn
        self._executors = list(executors)
        self._lease = lease
        self._grace = grace
        self._shuttles = shuttles
        self._samples_waits = samples_waits
        self._spans = spans
        self._pythonpath = tuple(pythonpath)
        self._logger = logger or logging.getLogger("pgflow.dispatcher")
        self._problems = Problems(self._logger)
        self._hooks = Hooks(hooks or {}, self._problems)
        self._state: DispatcherState = "starting"
        self._lanes: dict[str, Lane] = {}
        self._database: Database | None = None
        self._doorbell: Doorbell | None = None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._progressed = asyncio.Event()

    def request_stop(self) -> None:
        """Stop claiming and let running tasks finish within the grace period; asked twice, hurry."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def wake(self, executor: str | None = None) -> None:
        """Have the lane of an executor, or all of them, look for ready tasks now."""
        for name, lane in self._lanes.items():
            if executor in (None, name):
                lane.ring()

    def status(self) -> DispatcherStatus:
        """Take a snapshot."""
        return DispatcherStatus(
            worker_id=self.worker_id,
            state=self._state,
            database_up=self._database is not None and self._database.up.is_set(),
            listening=self._doorbell is not None and self._doorbell.hears,
            reconnects=0 if self._database is None else self._database.outages,
            executors_missing=tuple(
                instance.name for instance in self._executors if instance.name not in self._lanes
            ),
            lanes=tuple(_lane_status(lane) for lane in self._lanes.values()),
            problems=tuple(self._problems),
        )

    async def run(self, *, handle_signals: bool = False) -> None:
        """Serve until asked to stop.

        Raises what is wrong at the start (ConfigError, DatabaseUnreachable, SchemaMissing...); what goes
        wrong later is logged, waited out and shown by `status`.
        """
        if handle_signals:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.request_stop)
        database = Database(self._dsn, worker_id=self.worker_id, lease=self._lease, logger=self._logger)
        await database.open()
        self._database = database
        try:
            await self._start_executors(database)
            await self._serve(database)
        finally:
            await self._close_executors()
            self._state = "stopped"
            self._logger.info("dispatcher %s stopped", self.worker_id)

    async def _serve(self, database: Database) -> None:
        lanes = self._lanes
        here = [lane for lane in lanes.values() if isinstance(lane, HereLane)]
        keeper = LeaseKeeper(here, self._lease, self._problems, self._progressed)
        self._doorbell = Doorbell(
            self._dsn,
            f"pgflow listen {self.worker_id}",
            lanes,
            self._logger,
            listen_dsn=self._listen_dsn,
        )
        async with asyncio.TaskGroup() as group:
            work: list[Coroutine[Any, Any, None]] = [
                self._recover(database, keeper),
                self._doorbell.listen(),
                _on_link(database, keeper.keep),
                _on_link(database, keeper.show),
                _on_link(database, Upkeep(self._lease, self._problems).keep),
                *(lane.serve() for lane in lanes.values()),
            ]
            if self._samples_waits:
                work.append(_on_link(database, WaitSampler(tuple(lanes.values())).keep))
            tasks = [group.create_task(each) for each in work]
            self._state = "running"
            self._logger.info("dispatcher %s serves %s", self.worker_id, ", ".join(lanes))
            await self._stop.wait()
            await self._drain()
            for task in tasks:
                task.cancel()

    async def _start_executors(self, database: Database) -> None:
        """Start every executor; one that cannot start is left out, unless it is the last."""
        settings = LaneSettings(
            self.worker_id,
            self._lease,
            self._shuttles,
            database,
            self._problems,
            self._logger,
            self._progressed,
            self._spans,
            self._hooks,
        )
        errors: list[Exception] = []
        for instance in self._executors:
            executor = instance.executor()
            runs_here = Capability.RUNS_HERE in executor.capabilities
            lane = (HereLane if runs_here else LaunchLane)(instance, executor, settings)
            try:
                if not runs_here:
                    instance.check_report_target()
                await executor.start(self._context(instance, lane))
            except Exception as error:
                errors.append(error)
                self._problems.note("EXECUTOR_NOT_STARTED", instance.name, f"{type(error).__name__}: {error}")
            else:
                self._lanes[instance.name] = lane
        if not self._lanes:
            raise errors[0] if errors else ConfigError("no executor is configured: add one to pgflow.toml")

    def _context(self, instance: ExecutorInstance, lane: HereLane | LaunchLane) -> ExecutorContext:
        context = ExecutorContext(
            name=instance.name,
            worker_id=self.worker_id,
            settings=instance.settings,
            logger=self._logger.getChild(instance.name),
            report=lane.report,
            pythonpath=self._pythonpath,
            report_to=instance.report_to,
            max_in_flight=instance.max_in_flight,
            edited=partial(self._hooks.edited, instance.name),
        )
        if isinstance(lane, HereLane):
            return replace(context, progress=lane.progress, written=lane.written)
        return replace(context, changed=lane.changed)

    async def _recover(self, database: Database, keeper: LeaseKeeper) -> None:
        while True:
            await database.recover(keeper.renew)
            for lane in self._lanes.values():
                lane.ring()

    async def _drain(self) -> None:
        self._state = "draining"
        lanes = self._lanes.values()
        began = asyncio.get_running_loop().time()
        busy = sum(lane.busy for lane in lanes)
        self._logger.info("stopping: %d attempts have %g s to finish", busy, self._grace)
        for lane in lanes:
            lane.stop_claiming()
        await _until(
            lambda: self._hurry.is_set() or not any(lane.busy or lane.awaits_tasks for lane in lanes),
            self._grace,
        )
        cut_short = sum(lane.busy for lane in lanes)
        await self._close_executors()
        seconds = _FLUSH_SECONDS_IN_A_HURRY if self._hurry.is_set() else _FLUSH_SECONDS
        if not await _until(lambda: not any(lane.unsent for lane in lanes), seconds):
            unsent = sum(lane.unsent for lane in lanes)
            self._logger.error("%d reports could not be sent: those attempts will be lost", unsent)
        took = asyncio.get_running_loop().time() - began
        self._logger.info("drained in %.1f s: %d attempts were cut short and handed back", took, cut_short)

    async def _close_executors(self) -> None:
        """Stop what still runs; what it was doing is handed back by release reports."""
        for lane in self._lanes.values():
            if lane.closed:
                continue
            lane.closed = True
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await lane.executor.aclose()
            except Exception as error:
                self._problems.note("EXECUTOR_NOT_CLOSED", lane.name, f"{type(error).__name__}: {error}")


async def _on_link(database: Database, work: Callable[[Link], Awaitable[None]]) -> None:
    link = Link(database)
    try:
        await work(link)
    finally:
        await link.close()


async def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition, at most so long; tell whether it came true."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def _lane_status(lane: Lane) -> LaneStatus:
    return LaneStatus(
        executor=lane.name,
        capacity=lane.capacity,
        under_way=lane.used,
        unsent=lane.unsent,
        tally=lane.tally,
        others=lane.others or 0,
        refused=lane.refused,
    )
