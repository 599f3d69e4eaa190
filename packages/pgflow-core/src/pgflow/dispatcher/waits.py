"""Learn for how long tasks were ready before they were claimed: a sample, the claim does not say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from pgflow.database.statements.monitoring import queue_waits
from pgflow.dispatcher.lane import Lane
from pgflow.dispatcher.links import Link
from pgflow.errors import PgflowError

__all__ = ["WaitSampler"]

_INTERVAL: Final = 1.0


class WaitSampler:
    """Asks once a second, if there were claims, about the tasks of each lane's latest."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes

    async def keep(self, link: Link) -> None:
        """Sample until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL)
            for lane in self._lanes:
                # What cannot be asked now is not sampled.
                with contextlib.suppress(PgflowError):
                    await self._sample(link, lane)

    async def _sample(self, link: Link, lane: Lane) -> None:
        tasks, lane.newest = lane.newest, ()
        if tasks:
            keys = [(task.run_id, task.step_slug, task.task_index) for task in tasks]
            waits = await link.run(queue_waits(keys))
            flows = [tasks[wait.ordinal - 1].flow_slug for wait in waits]
            lane.tally.waited(flows, [wait.seconds for wait in waits])
