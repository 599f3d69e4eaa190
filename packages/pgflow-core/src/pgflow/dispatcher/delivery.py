"""Deliver reports that the database refused as a batch: in halves, until the culprit stands alone.

Content that PostgreSQL cannot store fails its own attempt.  A run that another session holds open delays
only its own reports.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pgflow.database.statements.tasks import report_step_tasks
from pgflow.dispatcher.links import Link
from pgflow.dispatcher.problems import Problems
from pgflow.dispatcher.reports import MAX_REPORTS, Report, as_array, refused
from pgflow.errors import DatabaseError, DatabaseUnreachable, PgflowError

__all__ = ["Delivery", "Outcomes", "is_contested", "is_refusal"]

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 2.0


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Where the reports of a lane go once they were sent."""

    settle: Callable[[Sequence[Report], Sequence[str]], None]
    """The database answered; one status a report."""
    put_back: Callable[[Sequence[Report]], None]
    """The database was lost: these are still to be sent."""
    drop: Callable[[Report], None]
    """This one can never be delivered."""


class Delivery:
    """Delivers the difficult reports of one lane."""

    def __init__(self, link: Link, outcomes: Outcomes, problems: Problems, logger: logging.Logger) -> None:
        self._link = link
        self._outcomes = outcomes
        self._problems = problems
        self._logger = logger
        self._held: dict[UUID, list[Report]] = {}
        self._any_held = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    def hold_back(self, reports: list[Report]) -> list[Report]:
        """Keep the reports of runs that are known to be held open; return the others."""
        if not self._held:
            return reports
        free: list[Report] = []
        for report in reports:
            self._held.get(report.task.run_id, free).append(report)
        return free

    async def deliver(self, link: Link, reports: Sequence[Report]) -> None:
        """Deliver what was refused as one batch; never raises."""
        pending = [list(reports)]
        while pending:
            batch = pending.pop()
            try:
                statuses = await link.run(report_step_tasks(as_array(batch)))
            except DatabaseUnreachable:
                self._outcomes.put_back([report for part in [batch, *reversed(pending)] for report in part])
                return
            except PgflowError as error:
                if len(batch) > 1:
                    middle = len(batch) // 2
                    pending += [batch[middle:], batch[:middle]]
                else:
                    pending += self._alone(batch[0], error)
            else:
                self._outcomes.settle(batch, statuses)

    async def retry_held(self) -> None:
        """Try the reports that were held up again and again; runs as long as the lane."""
        delay = _FIRST_DELAY
        while True:
            await self._any_held.wait()
            await asyncio.sleep(delay)
            freed = [await self._retry(run_id) for run_id in list(self._held)]
            delay = _FIRST_DELAY if any(freed) else min(delay * 2, _LONGEST_DELAY)
            if not self._held:
                self._any_held.clear()

    async def _retry(self, run_id: UUID) -> bool:
        """Send the reports of one run once more; tell whether they went."""
        batch = self._held[run_id][:MAX_REPORTS]
        try:
            statuses = await self._link.run(report_step_tasks(as_array(batch)))
        except DatabaseUnreachable:
            return False
        except PgflowError as error:
            if is_refusal(error):
                await self.deliver(self._link, self._held.pop(run_id))
            return is_refusal(error)
        # More may have been held back while this batch was on its way.
        later = self._held.pop(run_id)[len(batch) :]
        if later:
            self._held[run_id] = later
        self._outcomes.settle(batch, statuses)
        return True

    def _alone(self, report: Report, error: PgflowError) -> list[list[Report]]:
        """Deal with the one report that is to blame; return what to send in its place."""
        task = report.task
        if not is_refusal(error):
            self._held.setdefault(task.run_id, []).append(report)
            self._any_held.set()
            kind = "RUN_HELD" if is_contested(error) else "REPORT_FAILED"
            self._problems.note(kind, task.flow_slug, f"report delayed: {error}", task.fields())
            return []
        self._problems.note("REPORT_REFUSED", f"{task.flow_slug}.{task.step_slug}", str(error), task.fields())
        if report.substitute:
            self._logger.error("report cannot be delivered: %s", error, extra=task.fields())
            self._outcomes.drop(report)
            return []
        return [[refused(task, error)]]


def is_refusal(error: PgflowError) -> bool:
    """Tell whether the database refused what the reports carry, so that sending it again is of no use."""
    return not isinstance(error, DatabaseError) or (error.sqlstate or "").startswith("54")


def is_contested(error: PgflowError) -> bool:
    """Tell whether a lock of another session was in the way."""
    return isinstance(error, DatabaseError) and error.sqlstate == "55P03"
