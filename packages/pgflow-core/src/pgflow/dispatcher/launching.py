"""A lane whose executor starts code elsewhere: launches are recorded, and watched until they end.

The code reports for itself.  Nothing here is needed for a run to end: a launch that nobody records or
watches is returned by its launch deadline, a started one by its lease.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Final

from pgflow.database.statements.launches import record_launches
from pgflow.database.statements.tasks import ClaimMode, Inputs
from pgflow.dispatcher.attempts import LiveTask
from pgflow.dispatcher.delivery import is_contested
from pgflow.dispatcher.lane import Lane, LaneSettings
from pgflow.dispatcher.links import Link
from pgflow.dispatcher.observer import Observer
from pgflow.dispatcher.reports import storable
from pgflow.dispatcher.watch import Watch
from pgflow.errors import DatabaseUnreachable, PgflowError
from pgflow.executor import Accepted, Attempt, Capability, Executor, LaunchResult, Rejected, Unknown
from pgflow.plugins import ExecutorInstance

__all__ = ["LaunchLane"]

_CONCURRENT_LAUNCHES: Final = 16
"""Launches made at once, of an executor that names no number of its own."""

_LAUNCH_SECONDS: Final = 60.0
"""A launch that takes longer counts as unknown: executors bound their own calls, this is the last resort."""

_FIRST_RELAUNCH: Final = 0.5
_LONGEST_RELAUNCH: Final = 30.0
"""Seconds between launches of one attempt by an executor that makes one execution of them."""

_RECORD_AGAIN: Final = 1.0
"""Seconds after which to record a launch of a run that another session holds open."""

_UNTIL_RECORDED: Final = 1.0
_BATCH: Final = 500
_LONGEST_HANDLE: Final = 4096
_Outcome = tuple[LiveTask, LaunchResult]


class LaunchLane(Lane):
    """Runs attempts in mode 'launch': the claim reserves, the start handshake starts."""

    mode: ClassVar[ClaimMode] = "launch"

    def __init__(self, instance: ExecutorInstance, executor: Executor, settings: LaneSettings) -> None:
        super().__init__(instance, executor, settings)
        self.others = None
        at_once = getattr(executor, "launches_at_once", _CONCURRENT_LAUNCHES)
        self._slots = asyncio.Semaphore(at_once)
        self._outcomes: asyncio.Queue[_Outcome] = asyncio.Queue()
        self._launching = 0
        self._unrecorded = 0
        self._may_relaunch = Capability.IDEMPOTENT_LAUNCH in executor.capabilities
        self._watch = Watch(self, settings.worker_id, self._problems)
        self._observer = Observer(self, instance.observe_every, self._problems, self._hooks)
        self.changed = self._observer.ring

    def slow_down(self, task: LiveTask, result: Rejected) -> float:
        """Claim nothing for a while; what an operator must mend is paused in the database, for everybody."""
        soon = timedelta(seconds=_UNTIL_RECORDED)
        return super().slow_down(
            task, replace(result, retry_after=soon) if result.kind == "operator" else result
        )

    @property
    def inputs(self) -> Inputs:
        """Whether claims bring the inputs of tasks, for an executor that sends them along."""
        return "full" if getattr(self.executor, "sends_input", False) else "none"

    @property
    def busy(self) -> int:
        """How many launches are being made; what was launched goes on without us."""
        return self._launching

    @property
    def unsent(self) -> int:
        """How many launches and reports the database does not know of yet."""
        # Once the executor is closed no launch takes long: how they went is waited for.
        return super().unsent + self._unrecorded + (self._launching if self.closed else 0)

    async def serve(self) -> None:
        """Claim, launch, record and watch until cancelled."""
        links = [Link(self._database) for _ in range(3)]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(super().serve())
                for keep, link in zip(
                    (self._keep_recording, self._watch.keep, self._observer.keep), links, strict=True
                ):
                    group.create_task(keep(link))
        finally:
            for link in links:
                await link.close()

    async def begin(self, attempts: Sequence[tuple[LiveTask, Attempt]]) -> None:
        """Launch side by side, a bounded number at once."""
        for task, attempt in attempts:
            self._launching += 1
            self.in_background(self._launch(task, attempt))
        # Both may have settled down to wait while there was nothing to look after.
        self._watch.pause.reconsider()
        self._observer.pause.reconsider()

    async def _launch(self, task: LiveTask, attempt: Attempt) -> None:
        """Launch an attempt; again while nobody knows whether it started, where that makes one execution."""
        delay = _FIRST_RELAUNCH
        result = await self._launch_once(task, attempt)
        while True:
            self._launching -= 1
            if not task.reported:
                self._record(task, result)
            if not (self._may_relaunch and isinstance(result, Unknown)):
                return
            await asyncio.sleep(delay * random.uniform(0.5, 1))
            delay = min(delay * 2, _LONGEST_RELAUNCH)
            if self._stopping or task.started or task.token not in self.open:
                return  # its handshake was made, or its launch deadline has passed
            self._launching += 1
            result = await self._launch_once(task, attempt)
            if isinstance(result, Rejected):
                # This launch did not start it; the one before may have.
                result = Unknown(result.reason)

    async def _launch_once(self, task: LiveTask, attempt: Attempt) -> LaunchResult:
        async with self._slots:
            if self.closed:
                return Rejected("throttled", "the dispatcher stops", timedelta(0))
            wait = self.pause_left()
            if wait > 0:
                return Rejected("throttled", "not tried: others were just refused", timedelta(seconds=wait))
            try:
                async with asyncio.timeout(_LAUNCH_SECONDS):
                    result = await self.executor.launch(attempt)
            except TimeoutError:
                result = Unknown(f"no answer within {_LAUNCH_SECONDS:g} s")
            except Exception as error:
                self.note_bug("launch", error, task)
                result = Unknown(repr(error))
        result = self._hooks.launched(self.name, task, result)
        if isinstance(result, Rejected):
            self.slow_down(task, result)
        elif isinstance(result, Accepted):
            task.handle = self._storable_handle(task, result)
            self.tally.count(task.flow_slug, "started")
        return result

    def _storable_handle(self, task: LiveTask, result: Accepted) -> dict[str, Any] | None:
        try:
            if result.handle is not None and len(json.dumps(result.handle)) > _LONGEST_HANDLE:
                raise ValueError(f"a handle has at most {_LONGEST_HANDLE} characters of JSON")
        except (TypeError, ValueError) as error:
            self.note_bug("launch", error, task)
            return None
        return result.handle

    def _record(self, task: LiveTask, result: LaunchResult) -> None:
        """Queue how a launch went."""
        self._unrecorded += 1
        self._outcomes.put_nowait((task, result))

    async def _keep_recording(self, link: Link) -> None:
        """Tell the database how launches went, many at a time."""
        while True:
            batch = [await self._outcomes.get()]
            while not self._outcomes.empty() and len(batch) < _BATCH:
                batch.append(self._outcomes.get_nowait())
            await self._send(link, batch)

    async def _send(self, link: Link, batch: Sequence[_Outcome]) -> None:
        """Record launches; what is refused as a batch in halves, until the culprit stands alone."""
        items = ",".join([_as_json(task, result) for task, result in batch])
        try:
            statuses = await link.run(record_launches(f"[{items}]"))
        except DatabaseUnreachable:
            for outcome in batch:
                self._outcomes.put_nowait(outcome)
        except PgflowError as error:
            middle = len(batch) // 2
            if middle:
                await self._send(link, batch[:middle])
                await self._send(link, batch[middle:])
            elif is_contested(error):
                self._loop.call_later(_RECORD_AGAIN, self._outcomes.put_nowait, batch[0])
            else:
                # Its launch deadline will do what this record would have done.
                self._problems.note("LAUNCH_NOT_RECORDED", self.name, str(error), batch[0][0].fields())
                self._unrecorded -= 1
        else:
            self._unrecorded -= len(batch)
            for (task, result), status in zip(batch, statuses, strict=True):
                self._follow(task, result, status)

    def _follow(self, task: LiveTask, result: LaunchResult, status: str) -> None:
        """Act on how a record was answered; what is stale has ended, and the watch finds out how."""
        if status in {"requeued", "failed"}:
            self.tally.count(task.flow_slug, "failed" if status == "failed" else "released")
            self.forget(task)
        elif status == "stale" and isinstance(result, Accepted) and task.external_id is not None:
            self.changed(task.external_id)


def _as_json(task: LiveTask, result: LaunchResult) -> str:
    fields: dict[str, Any] = {"attempt": task.attempt}
    if isinstance(result, Accepted):
        fields |= {"outcome": "accepted", "handle": task.handle}
    elif isinstance(result, Rejected):
        after = None if result.retry_after is None else max(0.0, result.retry_after.total_seconds())
        fields |= {"outcome": "rejected", "kind": result.kind, "reason": storable(result.reason)}
        fields["retry_after_seconds"] = after
    else:
        fields |= {"outcome": "unknown"}
    known = {key: value for key, value in fields.items() if value is not None}
    return f"{{{task.address},{json.dumps(known)[1:-1]}}}"
