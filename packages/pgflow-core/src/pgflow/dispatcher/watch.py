"""Follow what one lane launched, to free its slots, and what the other dispatchers of its executor do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from pgflow.database.statements.launches import LaneState, lane_state
from pgflow.database.statements.tasks import TaskState, task_states
from pgflow.dispatcher.attempts import LiveTask
from pgflow.dispatcher.lane import Lane
from pgflow.dispatcher.links import Link
from pgflow.dispatcher.pause import Pause
from pgflow.dispatcher.problems import Problems
from pgflow.dispatcher.tally import Event
from pgflow.errors import DatabaseUnreachable, PgflowError

__all__ = ["Watch"]

_INTERVAL_IDLE: Final = 10.0
_INTERVAL: Final = 2.0
_INTERVAL_FULL: Final = 0.25
"""Seconds between two looks; shorter while every slot is taken and one may have become free."""

_BATCH: Final = 500
_EVENT_OF_STATUS: Final[Mapping[str, Event]] = {
    "completed": "completed",
    "failed": "failed",
    "queued": "retried",
}


class Watch:
    """Watches the attempts that one lane launched, and its executor."""

    def __init__(self, lane: Lane, worker_id: str, problems: Problems) -> None:
        self._lane = lane
        self._worker_id = worker_id
        self._problems = problems
        self._refused: LaneState | None = None
        self.pause = Pause(lambda: self.interval)

    @property
    def interval(self) -> float:
        """Seconds until the next look."""
        lane = self._lane
        if not lane.open and not lane.others and self._refused is None:
            return _INTERVAL_IDLE
        return _INTERVAL_FULL if lane.open and lane.used + (lane.others or 0) >= lane.capacity else _INTERVAL

    async def keep(self, link: Link) -> None:
        """Look until cancelled."""
        lane = self._lane
        while True:
            try:
                self._note(await link.run(lane_state(lane.name, self._worker_id)))
                await self._look(link, [task for task in lane.open.values() if not task.reported])
            except DatabaseUnreachable:
                continue
            except PgflowError as error:
                self._problems.note("WATCH_FAILED", lane.name, str(error))
            await self.pause.wait()

    def _note(self, state: LaneState) -> None:
        lane = self._lane
        before, self._refused = self._refused, None if state.probe_at is None else state
        has_room = lane.others is None or state.other_launches < lane.others
        lane.others = state.other_launches
        if has_room:
            lane.ring()
        lane.refused = None if self._refused is None else state.pause_reason or "no reason was given"
        if self._refused is None:
            if before is not None:
                self._problems.clear("LAUNCH_REFUSED", lane.name)
                lane.say(f"executor {lane.name} takes launches again")
        elif before is None or before.probe_at != state.probe_at:
            reason = f"{lane.refused}; the next launch is tried after {state.probe_at:%Y-%m-%d %H:%M:%S%z}"
            self._problems.note("LAUNCH_REFUSED", lane.name, reason)

    async def _look(self, link: Link, tasks: Sequence[LiveTask]) -> None:
        for start in range(0, len(tasks), _BATCH):
            batch = tasks[start : start + _BATCH]
            states = await link.run(task_states([(t.run_id, t.step_slug, t.task_index) for t in batch]))
            for task, state in zip(batch, states, strict=True):
                if state.attempt != task.attempt or state.status not in {"claimed", "running"}:
                    self._lane.forget(task)
                    self._count(task, state)
                elif state.status == "running":
                    task.started = True

    def _count(self, task: LiveTask, state: TaskState) -> None:
        """Count what the attempt reported for itself; one that is not its task's last will have others."""
        tally = self._lane.tally
        status = state.status if state.attempt == task.attempt else "queued"
        event = _EVENT_OF_STATUS.get(status or "")
        if event is not None:
            tally.count(task.flow_slug, event)
            tally.ran(task.flow_slug, asyncio.get_running_loop().time() - task.claimed_at)
