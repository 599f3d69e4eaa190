"""One executor's lane: claims what the executor has room for, hands it over, reports what it says.

A lane exchanges: reports out, claimed tasks in, one round trip.  Two shuttles take turns, so that
PostgreSQL works on one exchange while Python decodes the other.
"""

from __future__ import annotations

import asyncio
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from pgflow.database.statements.tasks import ClaimedTask, ClaimMode, Exchanged, Inputs, exchange_step_tasks
from pgflow.dispatcher.attempts import AttemptBuilder, LiveTask
from pgflow.dispatcher.delivery import Delivery, Outcomes, is_contested, is_refusal
from pgflow.dispatcher.departures import Departures
from pgflow.dispatcher.hooks import Hooks
from pgflow.dispatcher.links import Database, Link
from pgflow.dispatcher.pace import Pace
from pgflow.dispatcher.problems import Problems
from pgflow.dispatcher.reports import Report, ReportQueue, as_array, encode, storable
from pgflow.dispatcher.spans import Spans
from pgflow.dispatcher.tally import Tally
from pgflow.dispatcher.verdicts import options_invalid
from pgflow.errors import DatabaseUnreachable, PgflowError
from pgflow.executor import Attempt, Executor, Rejected, TaskReport
from pgflow.plugins import ExecutorInstance

__all__ = ["Lane", "LaneSettings"]

_BATCH: Final = 100
"""Tasks claimed in one exchange at most; larger batches are not faster."""

_FIRST_BACK_OFF: Final = 0.5
_LONGEST_BACK_OFF: Final = 30.0

_PAUSES: Final[Mapping[str, float]] = {"throttled": 1.0, "transient": 1.0, "permanent": 0.0, "operator": 30.0}
"""Seconds, by kind of rejection, where the executor names none."""

_CANCEL_GRACE: Final = timedelta(seconds=5)

_STUBBORN: Final = 3
"""Failed exchanges after which the reports are sent in halves: one of them may be to blame."""


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """What all lanes of a dispatcher share."""

    worker_id: str
    lease: float
    """Seconds."""
    shuttles: int
    database: Database
    problems: Problems
    logger: logging.Logger
    progressed: asyncio.Event
    """Some attempt has progress to show."""
    spans: Spans | None
    hooks: Hooks


@dataclass(frozen=True, slots=True)
class _Order:
    """What one exchange sends and asks for."""

    reports: list[Report]
    asked: int


class Lane(ABC):
    """The part that all executors share: exchanges, slots, reports, back-off."""

    mode: ClassVar[ClaimMode]

    def __init__(self, instance: ExecutorInstance, executor: Executor, settings: LaneSettings) -> None:
        self.name = instance.name
        self.executor = executor
        self.open: dict[UUID, LiveTask] = {}
        """What was claimed and is not settled yet, by attempt token."""
        self.tally = Tally()
        self.newest: Sequence[LiveTask] = ()
        """What the latest claim brought."""
        self.longest_poll = 10.0
        """Seconds between two polls of an idle lane, at most."""
        self.others: int | None = 0
        """Attempts that others launched for this executor and that are still open; None: not known yet."""
        self.refused: str | None = None
        """Why the executor is paused until an operator acts, if its launches are refused."""
        self.closed = False
        self._most = instance.max_in_flight
        self._settings = settings
        self._builder = AttemptBuilder(executor.StepOptions)
        self._logger = settings.logger
        self._problems = settings.problems
        self._database = settings.database
        self._hooks = settings.hooks
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(self._loop.time())
        self._reports = ReportQueue()
        self._reported = 0
        self._claiming = 0
        self._failures = 0
        self._stopping = False
        self._not_before = 0.0
        self._claim_not_before = 0.0
        self._departures = Departures(self._delay)
        self._background: set[asyncio.Task[None]] = set()
        self._delivery = Delivery(
            Link(settings.database),
            Outcomes(self._settle, self._put_back, self.forget_report),
            settings.problems,
            settings.logger,
        )

    @property
    def used(self) -> int:
        """How many attempts are under way."""
        return len(self.open) - self._reported

    @property
    def busy(self) -> int:
        """How many attempts would be cut short if the dispatcher stopped now."""
        return self.used

    @property
    def awaits_tasks(self) -> bool:
        """Whether a claim is on its way, whose answer may bring more attempts."""
        return self._claiming > 0 and self._database.up.is_set()

    @property
    def unsent(self) -> int:
        """How many reports the database has not acknowledged."""
        return self._reported

    @property
    def inputs(self) -> Inputs:
        """Whether claims bring the inputs of tasks."""
        return "full"

    @abstractmethod
    async def begin(self, attempts: Sequence[tuple[LiveTask, Attempt]]) -> None:
        """Hand claimed attempts, already counted as open, to the executor."""

    async def serve(self) -> None:
        """Claim and report until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._settings.shuttles):
                    group.create_task(self._shuttle())
                group.create_task(self._delivery.retry_held())
        finally:
            for task in self._background:
                task.cancel()
            await self._delivery.close()

    @property
    def capacity(self) -> int:
        """How many attempts may be under way at once."""
        capacity = self.executor.capacity
        return capacity if self._most is None else min(capacity, self._most)

    def ring(self) -> None:
        """There may be work."""
        self._pace.ring()
        self._departures.reconsider()

    def stop_claiming(self) -> None:
        """Take no more tasks; reports go on."""
        self._stopping = True
        self._departures.reconsider()

    def slow_down(self, task: LiveTask, result: Rejected) -> float:
        """Claim nothing for a while after the executor refused a launch; return for how many seconds."""
        after = _PAUSES[result.kind] if result.retry_after is None else result.retry_after.total_seconds()
        if result.kind in {"throttled", "operator"}:
            self._claim_not_before = max(self._claim_not_before, self._loop.time() + after)
        if result.kind == "operator":
            self._problems.note("LAUNCH_REFUSED", self.name, result.reason, task.fields())
        return after

    def pause_left(self) -> float:
        """Seconds until launches may be tried again, after the executor refused one; not above 0: now."""
        return self._claim_not_before - self._loop.time()

    def say(self, message: str, fields: Mapping[str, object] | None = None) -> None:
        """Write a line to the log of the dispatcher."""
        self._logger.info(message, extra={"executor": self.name, **(fields or {})})

    async def cancel(self, task: LiveTask) -> None:
        """Have the executor stop an attempt, then forget it."""
        try:
            await self.executor.cancel(task.ref(), _CANCEL_GRACE)
        except Exception as error:
            self.note_bug("cancel", error, task)
        self.forget(task)

    def note_bug(self, method: str, error: Exception, task: LiveTask) -> None:
        """Take note that an executor raised where its contract forbids it."""
        self._problems.note("EXECUTOR_BUG", self.name, f"{method} raised {error!r}", task.fields())

    def note_gone(self, task: LiveTask) -> None:
        """Count an attempt that is over as lost, if nobody renewed its lease in time."""
        if self._loop.time() - task.renewed_at >= self._settings.lease:
            self.tally.count(task.flow_slug, "lost")

    def report(self, report: TaskReport) -> None:
        """Queue what the executor says of an attempt; of an attempt that is over, nothing is worth saying."""
        task = self.open.get(report.attempt_token)
        if task is None or task.reported:
            return
        report = self._hooks.reported(self.name, task, report)
        if report.outcome != "complete":
            self._note_failure(task, report)
        task.reported = True
        self._reported += 1
        self.tally.ran(task.flow_slug, self._loop.time() - task.claimed_at)
        self._end_span(task, report.outcome, report.error)
        self._reports.add(encode(task, report))
        waiting, used = len(self._reports), self.used
        # Waking the shuttle for every report would cost more than the report.
        if waiting == 1 or used == 0 or waiting * 2 >= used + waiting:
            self._departures.reconsider()

    def forget(self, task: LiveTask) -> None:
        """Give up a task that is no longer ours."""
        if self.open.pop(task.token, None) is not None:
            self._reported -= task.reported
            self._end_span(task, "gone", None)
            self._departures.reconsider()

    def _end_span(self, task: LiveTask, outcome: str, error: Mapping[str, Any] | None) -> None:
        span, task.span = task.span, None
        if span is not None and self._settings.spans is not None:
            code = None if error is None else str(storable(error.get("code", "?")))
            self._settings.spans.end(span, outcome, code)

    def forget_report(self, report: Report) -> None:
        """Give up the task of a report that cannot be delivered; its lease will expire."""
        self.forget(report.task)

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that must not keep the exchanges waiting."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _shuttle(self) -> None:
        link = Link(self._database)
        try:
            while True:
                await self._departures.due()
                order = self._take()
                if order.reports or order.asked:
                    self._departures.reconsider()  # for the other shuttles
                    answer = await self._exchange(link, order)
                    if answer is not None:
                        self._settle(order.reports, answer.statuses)
                        # First of all: what was claimed goes out before anything else is looked at.
                        await self.begin(self._accept(order, answer))
        finally:
            await link.close()

    def _delay(self) -> float:
        if not self._database.up.is_set():
            return math.inf
        now = self._loop.time()
        free = self._free(now)
        due = self._pace.delay(now, reports=len(self._reports), used=self.used, free=free)
        if free == 0 and not self._stopping and now < self._claim_not_before:
            due = min(due, self._claim_not_before - now)
        return max(due, self._not_before - now)

    def _free(self, now: float) -> int:
        if self._stopping or self.others is None or now < self._claim_not_before:
            return 0
        return max(0, self.capacity - self.used - self.others - self._claiming)

    def _take(self) -> _Order:
        now = self._loop.time()
        reports = self._delivery.hold_back(self._reports.take())
        # What one call cannot carry goes before more is claimed: a slow database must not fill our memory.
        asked = 0 if self._reports else min(_BATCH, self._free(now))
        self._claiming += asked
        self._pace.begin(now, asked)
        return _Order(reports, asked)

    async def _exchange(self, link: Link, order: _Order) -> Exchanged | None:
        settings = self._settings
        statement = exchange_step_tasks(
            as_array(order.reports),
            self.name,
            settings.worker_id,
            order.asked,
            lease_seconds=settings.lease,
            mode=self.mode,
            inputs=self.inputs,
        )
        began = self._loop.time()
        try:
            try:
                answer = await link.run(statement)
            finally:
                self._claiming -= order.asked
        except DatabaseUnreachable:
            self._put_back(order.reports)
            self.ring()
        except PgflowError as error:
            await self._failed(link, order, error)
        else:
            self.tally.exchanges.add(self._loop.time() - began)
            return answer
        return None

    def _accept(self, order: _Order, answer: Exchanged) -> list[tuple[LiveTask, Attempt]]:
        """Count what was claimed as open, and decide when to look again."""
        now = self._loop.time()
        claimed = [(LiveTask.of(task, self.name, now), task) for task in answer.tasks]
        self.open.update((task.token, task) for task, _ in claimed)
        if claimed:
            self.newest = [task for task, _ in claimed]
            for task in self.newest:
                self.tally.count(task.flow_slug, "claimed")
                if self._settings.spans is not None:
                    task.span = self._settings.spans.begin(task)
        if self._failures:
            self._failures = 0
            self._problems.clear("EXCHANGE_FAILED", self.name)
        asked, got, longest = order.asked, len(claimed), self.longest_poll
        self._pace.end(now, asked=asked, got=got, wake_in=answer.wake_in, longest_poll=longest)
        return list(self._built(claimed))

    def _built(self, claimed: Sequence[tuple[LiveTask, ClaimedTask]]) -> Iterator[tuple[LiveTask, Attempt]]:
        for task, row in claimed:
            try:
                yield task, self._builder.build(row)
            except ValueError as error:
                self.report(options_invalid(task, error))

    async def _failed(self, link: Link, order: _Order, error: PgflowError) -> None:
        now = self._loop.time()
        self._failures += 1
        self.ring()  # what the exchange would have claimed is still there
        blamed = is_refusal(error) or is_contested(error) or self._failures > _STUBBORN
        if order.reports and blamed:
            await self._delivery.deliver(link, order.reports)
            return
        self._put_back(order.reports)
        self._not_before = now + min(_LONGEST_BACK_OFF, _FIRST_BACK_OFF * 2.0**self._failures)
        self._problems.note("EXCHANGE_FAILED", self.name, str(error))

    def _put_back(self, reports: Sequence[Report]) -> None:
        self._reports.put_back(reports)
        self._departures.reconsider()

    def _settle(self, reports: Sequence[Report], statuses: Sequence[str]) -> None:
        if len(reports) != len(statuses):
            message = f"{len(reports)} reports, {len(statuses)} answers"
            self._problems.note("BAD_ANSWER", self.name, message)
        for report in reports:
            if self.open.pop(report.task.token, None) is not None:
                self._reported -= 1
        for report, status in zip(reports, statuses, strict=False):
            self.tally.answered(report.task.flow_slug, status)
            if status in {"invalid", "unknown"}:
                fields = report.task.fields()
                self._problems.note("REPORT_REFUSED", self.name, f"the engine answered {status!r}", fields)
            elif status == "stale":
                self.note_gone(report.task)
                self._logger.info("report came too late: the attempt is over", extra=report.task.fields())

    def _note_failure(self, task: LiveTask, report: TaskReport) -> None:
        error = report.error or {}
        # Mended: a lone surrogate would break whatever writes the log.
        code, message = storable(error.get("code", "?")), storable(error.get("message", ""))
        fields = task.fields()
        if report.outcome == "fail":
            self._logger.info("attempt failed: %s: %s", code, message, extra=fields)
        elif report.error is not None and not self._stopping:
            self._problems.note(str(code), f"{task.flow_slug}.{task.step_slug}", str(message), fields)
