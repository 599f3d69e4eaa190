"""Look after launched attempts in the place they were launched to, whoever launched them.

What is due stands in the database, and what was seen goes there: a dispatcher that comes after a crash, or
serves beside others, needs nothing that one of them remembers.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from pgflow.database.statements.launches import DueLaunch, due_launches, observe_launches
from pgflow.dispatcher.hooks import Hooks
from pgflow.dispatcher.lane import Lane
from pgflow.dispatcher.links import Link
from pgflow.dispatcher.pause import Pause
from pgflow.dispatcher.problems import Problems
from pgflow.dispatcher.reports import storable
from pgflow.errors import DatabaseUnreachable, PgflowError
from pgflow.executor import Capability, HandleRef, Observation

__all__ = ["Observer"]

_INTERVAL_IDLE: Final = 10.0
_INTERVAL: Final = 2.0
"""Seconds between two questions for what is due: a cancelled run waits so long for its code to be stopped."""

_BETWEEN: Final = 0.2
"""Seconds at least between two questions, however many events come."""

_PAGE: Final = 500
_SECONDS: Final = 60.0
"""A look or a cancel that takes longer is given up: executors bound their calls, this is the last resort."""

_CONCURRENT_CANCELS: Final = 16
_CANCEL_GRACE: Final = timedelta(seconds=5)


class Observer:
    """Observes and cancels for the executor of one lane."""

    def __init__(self, lane: Lane, every: float, problems: Problems, hooks: Hooks) -> None:
        self._lane = lane
        self._every = every
        self._problems = problems
        self._hooks = hooks
        self._observes = Capability.OBSERVE in lane.executor.capabilities
        self._named: set[str] = set()
        self.pause = Pause(lambda: _INTERVAL if lane.open or lane.others else _INTERVAL_IDLE)
        self._cancels = asyncio.Semaphore(_CONCURRENT_CANCELS)

    def ring(self, external_id: str) -> None:
        """Something happened to this attempt: look at it soon."""
        self._named.add(external_id)
        self.pause.end()

    async def keep(self, link: Link) -> None:
        """Observe and cancel until the executor is closed."""
        while not self._lane.closed:
            try:
                while await self._page(link) >= _PAGE:
                    pass
            except DatabaseUnreachable:
                continue
            except PgflowError as error:
                self._problems.note("WATCH_FAILED", self._lane.name, str(error))
            await asyncio.sleep(_BETWEEN)
            await self.pause.wait()

    async def _page(self, link: Link) -> int:
        """Follow one page of what is due; return how much it was."""
        named = list(self._named)
        every = self._every * random.uniform(0.9, 1.1)
        due = await link.run(due_launches(self._lane.name, _PAGE, every, named))
        self._named.difference_update(named)
        for launch in due:
            if launch.action == "cancel":
                self._lane.in_background(self._cancel(_ref(launch)))
        refs = [
            _ref(launch)
            for launch in due
            if launch.action == "observe" and (self._observes or launch.external_id in named)
        ]
        if refs:
            await self._tell(link, await self._observe(refs))
        return len(due)

    async def _observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        try:
            async with asyncio.timeout(_SECONDS):
                seen = await self._lane.executor.observe(refs)
            return [self._hooks.observed(self._lane.name, each) for each in seen]
        except TimeoutError:
            self._bug(f"observe of {len(refs)} attempts took longer than {_SECONDS:g} s")
        except Exception as error:
            self._bug(f"observe raised {error!r}")
        return []

    async def _tell(self, link: Link, observations: Sequence[Observation]) -> None:
        """Tell the database what was seen, and the log what that ended."""
        for start in range(0, len(observations), _PAGE):
            page = observations[start : start + _PAGE]
            statuses = await link.run(observe_launches(f"[{','.join(map(_as_json, page))}]"))
            for seen, status in zip(page, statuses, strict=True):
                if status in {"retrying", "failed"}:
                    self._hooks.ended(self._lane.name, seen)
                    said = f"{seen.phase.value} {seen.code or ''} {seen.detail or ''}"
                    self._lane.say(f"attempt ended without a report: {storable(said)}", _fields(seen.ref))

    async def _cancel(self, ref: HandleRef) -> None:
        async with self._cancels:
            try:
                async with asyncio.timeout(_SECONDS):
                    await self._lane.executor.cancel(ref, _CANCEL_GRACE)
            except TimeoutError:
                self._bug(f"cancel of {ref.external_id} took longer than {_SECONDS:g} s")
            except Exception as error:
                self._bug(f"cancel raised {error!r}")

    def _bug(self, message: str) -> None:
        self._problems.note("EXECUTOR_BUG", self._lane.name, message)


def _ref(launch: DueLaunch) -> HandleRef:
    return HandleRef(
        launch.run_id,
        launch.step_slug,
        launch.task_index,
        launch.attempt,
        launch.external_id,
        launch.handle,
    )


def _fields(ref: HandleRef) -> dict[str, object]:
    return {
        "run_id": str(ref.run_id),
        "step": ref.step_slug,
        "task_index": ref.task_index,
        "attempt": ref.attempt,
    }


def _as_json(seen: Observation) -> str:
    said = {
        "phase": seen.phase.value,
        "code": seen.code,
        "detail": seen.detail,
        "log_tail": seen.log_tail,
        "started": seen.started,
        "retryable": seen.retryable,
    }
    address = {
        "run_id": str(seen.ref.run_id),
        "step_slug": seen.ref.step_slug,
        "task_index": seen.ref.task_index,
        "attempt": seen.ref.attempt,
    }
    return json.dumps(address | {key: storable(value) for key, value in said.items() if value is not None})
