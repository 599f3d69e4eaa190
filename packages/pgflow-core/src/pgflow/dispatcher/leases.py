"""Renew the leases of what runs here, and stop what the database says is over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from typing import Final

from pgflow.database import Statement
from pgflow.database.statements.tasks import Renewal, heartbeat_step_tasks
from pgflow.dispatcher.attempts import LiveTask
from pgflow.dispatcher.here import HereLane
from pgflow.dispatcher.links import Link
from pgflow.dispatcher.problems import Problems
from pgflow.errors import DatabaseUnreachable, PgflowError

__all__ = ["LeaseKeeper"]

_BATCH: Final = 500
_BETWEEN: Final = 1.0
"""Seconds between two calls that tell of progress."""

Send = Callable[[Statement[list[Renewal]]], Awaitable[list[Renewal]]]


class LeaseKeeper:
    """Heartbeats for all lanes of a dispatcher, every third of a lease."""

    def __init__(
        self, lanes: Sequence[HereLane], lease: float, problems: Problems, progressed: asyncio.Event
    ) -> None:
        self._progressed = progressed
        self._lanes = lanes
        self._lease = lease
        self._problems = problems

    async def keep(self, link: Link) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(self._lease / 3 * random.uniform(0.9, 1.0))
            try:
                await self._renew(link.run, at_least=self._lease / 12)
            except DatabaseUnreachable:
                continue  # renewed as soon as it is back
            except PgflowError as error:
                self._problems.note("HEARTBEAT_FAILED", "leases", str(error))

    async def show(self, link: Link) -> None:
        """Tell the database of progress and output, in heartbeats of the attempts, until cancelled."""
        while True:
            await self._progressed.wait()
            self._progressed.clear()
            open_tasks = ((lane, task) for lane in self._lanes for task in lane.open.values())
            tasks = [(lane, task) for lane, task in open_tasks if task.progress or task.written]
            try:
                await self._send(link.run, tasks, _news)
            except PgflowError as error:  # what comes next says more than what is lost
                self._problems.note("PROGRESS_NOT_SHOWN", "leases", str(error))
            await asyncio.sleep(_BETWEEN)

    async def renew(self, link: Link) -> None:
        """Renew every lease, before anybody else may use the database again."""
        await self._renew(link.send, at_least=0.0)

    async def _renew(self, send: Send, *, at_least: float) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time() - at_least
        due = ((lane, task) for lane in self._lanes for task in lane.open.values())
        await self._send(send, [(lane, task) for lane, task in due if task.renewed_at <= before], _address)

    async def _send(
        self, send: Send, due: list[tuple[HereLane, LiveTask]], entry: Callable[[LiveTask], str]
    ) -> None:
        for batch in _batched(due):
            now = asyncio.get_running_loop().time()
            tasks = f"[{','.join([entry(task) for _, task in batch])}]"
            renewals = await send(heartbeat_step_tasks(tasks, self._lease))
            for (lane, task), renewal in zip(batch, renewals, strict=True):
                lane.renew(task, renewal, now)


def _address(task: LiveTask) -> str:
    return f"{{{task.address}}}"


def _news(task: LiveTask) -> str:
    """Take what there is to tell: by one sender only, so that no later news is overtaken by earlier."""
    progress, task.progress = task.progress, None
    written, task.written = task.written, None
    said = f'"progress":{progress}' if progress else None
    return f"{{{','.join(filter(None, (task.address, said, written)))}}}"


def _batched(tasks: list[tuple[HereLane, LiveTask]]) -> Iterator[list[tuple[HereLane, LiveTask]]]:
    left = iter(tasks)
    while batch := list(islice(left, _BATCH)):
        yield batch
