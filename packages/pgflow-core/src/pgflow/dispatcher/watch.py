"""Watch launched attempts: notice those that ended, and those that died without a word."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pgflow.database.statements.tasks import TaskState, task_states
from pgflow.dispatcher.attempts import LiveTask
from pgflow.dispatcher.lane import Lane
from pgflow.dispatcher.links import Link
from pgflow.dispatcher.problems import Problems
from pgflow.dispatcher.tally import Event
from pgflow.dispatcher.verdicts import no_report
from pgflow.errors import DatabaseUnreachable, PgflowError
from pgflow.executor import Capability, LaunchResult, Observation, Phase, Rejected

__all__ = ["Watch"]

_INTERVAL: Final = 2.0
_INTERVAL_FULL: Final = 0.25
"""Seconds between two looks; shorter while every slot is taken and one may have become free."""

_OBSERVE_EVERY: Final = 5.0
_GRACE: Final = 15.0
"""Seconds that an attempt seen to be over has left to report: its last words may be on their way."""

_BATCH: Final = 500
_EVENT_OF_STATUS: Final[Mapping[str, Event]] = {
    "completed": "completed",
    "failed": "failed",
    "queued": "retried",
}
_OVER: Final = frozenset({Phase.EXITED_OK, Phase.EXITED_ERROR, Phase.NOT_FOUND})


class Watch:
    """Watches the attempts that one lane launched."""

    def __init__(
        self, lane: Lane, record: Callable[[LiveTask, LaunchResult], None], problems: Problems
    ) -> None:
        self._lane = lane
        self._record = record
        self._problems = problems
        self._over_since: dict[LiveTask, float] = {}
        self._observed_at = 0.0

    async def keep(self, link: Link) -> None:
        """Look until cancelled."""
        lane = self._lane
        while True:
            full = lane.used >= lane.executor.capacity
            await asyncio.sleep((_INTERVAL_FULL if full else _INTERVAL) * random.uniform(0.75, 1))
            try:
                await self._look(link, [task for task in lane.open.values() if not task.reported])
            except DatabaseUnreachable:
                continue
            except PgflowError as error:
                self._problems.note("WATCH_FAILED", lane.name, str(error))

    async def _look(self, link: Link, tasks: Sequence[LiveTask]) -> None:
        live: dict[LiveTask, TaskState] = {}
        for start in range(0, len(tasks), _BATCH):
            batch = tasks[start : start + _BATCH]
            states = await link.run(task_states([(t.run_id, t.step_slug, t.task_index) for t in batch]))
            for task, state in zip(batch, states, strict=True):
                if state.attempt == task.attempt and state.status in {"claimed", "running"}:
                    live[task] = state
                else:
                    self._ended(task, state)
        now = asyncio.get_running_loop().time()
        can_observe = Capability.OBSERVE in self._lane.executor.capabilities
        if live and can_observe and now - self._observed_at >= _OBSERVE_EVERY:
            self._observed_at = now
            await self._observe(live, now)

    def _ended(self, task: LiveTask, state: TaskState) -> None:
        self._over_since.pop(task, None)
        self._lane.forget(task)
        self._count(task, state)
        if state.attempt == task.attempt and state.status == "cancelled":
            self._lane.in_background(self._lane.cancel(task))

    def _count(self, task: LiveTask, state: TaskState) -> None:
        """Count what the attempt reported for itself; one that is not its task's last will have others."""
        tally = self._lane.tally
        status = state.status if state.attempt == task.attempt else "queued"
        event = _EVENT_OF_STATUS.get(status or "")
        if event is not None:
            tally.count(task.flow_slug, event)
            tally.ran(task.flow_slug, asyncio.get_running_loop().time() - task.claimed_at)

    async def _observe(self, live: Mapping[LiveTask, TaskState], now: float) -> None:
        by_name = {(t.run_id, t.step_slug, t.task_index, t.attempt): t for t in live}
        try:
            observations = await self._lane.executor.observe([task.ref() for task in live])
        except Exception as error:
            self._problems.note("EXECUTOR_BUG", self._lane.name, f"observe raised {error!r}")
            return
        for seen in observations:
            ref = seen.ref
            task = by_name.get((ref.run_id, ref.step_slug, ref.task_index, ref.attempt))
            if task is None:
                continue
            if seen.phase not in _OVER:
                self._over_since.pop(task, None)
            elif now - self._over_since.setdefault(task, now) >= _GRACE:
                del self._over_since[task]
                self._died(task, live[task], seen)

    def _died(self, task: LiveTask, state: TaskState, seen: Observation) -> None:
        if state.status == "claimed":
            # It never started: a failed launch, which does not count against the handler.
            reason = seen.detail or f"it never started and is {seen.phase.value}"
            self._record(task, Rejected("transient", reason))
        else:
            self._lane.report(no_report(task, seen))
