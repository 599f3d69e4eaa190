"""A lane whose executor starts code elsewhere: launches are recorded, and watched until they end.

The code reports for itself.  Nothing here is needed for a run to end: a launch that nobody records or
watches is returned by its launch deadline, a started one by its lease.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from pgflow.database.statements.tasks import ClaimMode, Inputs, record_launches
from pgflow.dispatcher.attempts import LiveTask
from pgflow.dispatcher.lane import Lane, LaneSettings
from pgflow.dispatcher.links import Link
from pgflow.dispatcher.watch import Watch
from pgflow.errors import DatabaseUnreachable, PgflowError
from pgflow.executor import Accepted, Attempt, Executor, LaunchResult, Rejected, Unknown

__all__ = ["LaunchLane"]

_CONCURRENT_LAUNCHES: Final = 16
_LAUNCH_SECONDS: Final = 60.0
"""A launch that takes longer counts as unknown: executors bound their own calls, this is the last resort."""

_BATCH: Final = 500


class LaunchLane(Lane):
    """Runs attempts in mode 'launch': the claim reserves, the start handshake starts."""

    mode: ClassVar[ClaimMode] = "launch"
    inputs: ClassVar[Inputs] = "none"

    def __init__(self, name: str, executor: Executor, settings: LaneSettings) -> None:
        super().__init__(name, executor, settings)
        self._slots = asyncio.Semaphore(_CONCURRENT_LAUNCHES)
        self._outcomes: asyncio.Queue[tuple[LiveTask, LaunchResult]] = asyncio.Queue()
        self._launching = 0
        self._unrecorded = 0
        self._watch = Watch(self, self.record, self._problems)

    @property
    def busy(self) -> int:
        """How many launches are being made; what was launched goes on without us."""
        return self._launching

    @property
    def unsent(self) -> int:
        """How many launches and reports the database does not know of yet."""
        return super().unsent + self._unrecorded

    async def serve(self) -> None:
        """Claim, launch, record and watch until cancelled."""
        recording, watching = Link(self._database), Link(self._database)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(super().serve())
                group.create_task(self._keep_recording(recording))
                group.create_task(self._watch.keep(watching))
        finally:
            await recording.close()
            await watching.close()

    async def begin(self, attempts: Sequence[tuple[LiveTask, Attempt]]) -> None:
        """Launch side by side, a bounded number at once."""
        for task, attempt in attempts:
            self._launching += 1
            self.in_background(self._launch(task, attempt))

    def record(self, task: LiveTask, result: LaunchResult) -> None:
        """Queue how a launch went."""
        self._unrecorded += 1
        self._outcomes.put_nowait((task, result))

    async def _launch(self, task: LiveTask, attempt: Attempt) -> None:
        async with self._slots:
            try:
                async with asyncio.timeout(_LAUNCH_SECONDS):
                    result = await self.executor.launch(attempt)
            except TimeoutError:
                result = Unknown(f"no answer within {_LAUNCH_SECONDS:g} s")
            except Exception as error:
                self.note_bug("launch", error, task)
                result = Unknown(repr(error))
        if isinstance(result, Rejected):
            self.slow_down(task, result)
        elif isinstance(result, Accepted):
            task.handle = result.handle
            self.tally.count(task.flow_slug, "started")
        self._launching -= 1
        self.record(task, result)

    async def _keep_recording(self, link: Link) -> None:
        """Tell the database how launches went, many at a time."""
        while True:
            batch = [await self._outcomes.get()]
            while not self._outcomes.empty() and len(batch) < _BATCH:
                batch.append(self._outcomes.get_nowait())
            items = ",".join([_as_json(task, result) for task, result in batch])
            try:
                statuses = await link.run(record_launches(f"[{items}]"))
            except DatabaseUnreachable:
                for outcome in batch:
                    self._outcomes.put_nowait(outcome)
                continue
            except PgflowError as error:
                # Their launch deadlines will do what this record would have done.
                self._problems.note("LAUNCH_NOT_RECORDED", self.name, str(error))
                statuses = ["unknown"] * len(batch)
            self._unrecorded -= len(batch)
            for (task, _), status in zip(batch, statuses, strict=True):
                # What is stale has ended or was cancelled: the watch finds out which.
                if status in {"requeued", "failed"}:
                    self.tally.count(task.flow_slug, "failed" if status == "failed" else "released")
                    self.forget(task)


def _as_json(task: LiveTask, result: LaunchResult) -> str:
    fields: dict[str, Any]
    if isinstance(result, Accepted):
        fields = {"outcome": "accepted", "external_id": task.external_id, "handle": result.handle}
    elif isinstance(result, Rejected):
        after = None if result.retry_after is None else result.retry_after.total_seconds()
        fields = {"outcome": "rejected", "kind": result.kind, "reason": result.reason}
        fields["retry_after_seconds"] = after
    else:
        fields = {"outcome": "unknown", "reason": result.reason}
    known = {key: value for key, value in fields.items() if value is not None}
    return f"{{{task.address},{json.dumps(known)[1:-1]}}}"
