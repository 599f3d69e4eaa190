"""A lane whose executor runs the code under this process: leases are renewed, the executor reports."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import ClassVar

from pgflow.database.statements.tasks import ClaimMode, Renewal
from pgflow.dispatcher.attempts import LiveTask
from pgflow.dispatcher.lane import Lane
from pgflow.dispatcher.reports import storable
from pgflow.dispatcher.verdicts import rejected
from pgflow.executor import Attempt, Progress, Rejected, Unknown, Written
from pgflow.progress import progress_json

__all__ = ["HereLane"]


class HereLane(Lane):
    """Runs attempts in mode 'start': the claim is the start."""

    mode: ClassVar[ClaimMode] = "start"

    async def begin(self, attempts: Sequence[tuple[LiveTask, Attempt]]) -> None:
        """Launch one after the other: such an executor never blocks."""
        for task, attempt in attempts:
            try:
                result = await self.executor.launch(attempt)
            except Exception as error:
                self.note_bug("launch", error, task)
                result = Unknown(repr(error))
            result = self._hooks.launched(self.name, task, result)
            if isinstance(result, Rejected):
                self.report(rejected(task, result, self.slow_down(task, result)))
            elif isinstance(result, Unknown):
                # It may be running: only the end of its lease makes it safe to run it again.
                self.forget(task)
            else:
                self.tally.count(task.flow_slug, "started")

    def progress(self, attempt: Attempt, progress: Progress) -> None:
        """Have the database told how far an attempt has come, soon."""
        task = self.open.get(attempt.attempt_token)
        message = progress.message and self._hooks.redacted(progress.message)
        said = progress_json(progress.done, progress.total, message)
        if task is not None and not task.reported and said is not None:
            task.progress = said
            self._settings.progressed.set()

    def written(self, attempt: Attempt, written: Written) -> None:
        """Have the database told what an attempt has written, soon."""
        task = self.open.get(attempt.attempt_token)
        if task is not None and not task.reported:
            tail = json.dumps(storable(self._hooks.redacted(written.tail)))
            task.written = f'"log_tail":{tail},"log_end":{written.end}'
            self._settings.progressed.set()

    def renew(self, task: LiveTask, renewal: Renewal, now: float) -> None:
        """Act on what a heartbeat answered."""
        if renewal.status == "ok":
            task.renewed_at = now
        elif not task.reported:
            self._logger.info("attempt is over (%s): stopping it", renewal.status, extra=task.fields())
            if renewal.status == "stale":
                self.note_gone(task)
            task.renewed_at = math.inf  # never again
            self.in_background(self.cancel(task))
