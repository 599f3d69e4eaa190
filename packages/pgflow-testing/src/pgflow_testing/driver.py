"""Drives flows to their end: in this process, on a real database, with time under control.

The engine's clock is `pgflow.fake_now` of one connection.  It stands still while there is work, and moves to
the next wake-up when there is none, so that back-offs, delays and time-outs take no time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack
from uuid import UUID

from pgflow.client import Client
from pgflow.client.requests import StartOptions, get_run, known_status, run_id_of
from pgflow.database import connect, fetch
from pgflow.database.statements import operations, runs, tasks
from pgflow.database.statements.tasks import ClaimedTask
from pgflow.inline import handlers_of, outside_event_loop
from pgflow.runtime import Handler, resolve
from psycopg.rows import class_row

from pgflow_testing.attempts import LEASE, Trial
from pgflow_testing.driven import Driven, DrivenAttempt

if TYPE_CHECKING:
    from pgflow.dsl import Flow

__all__ = ["CannotEnd", "Driver", "TimesOut", "WorkerDies"]

In = TypeVar("In")
Out = TypeVar("Out")

_WORKER: Final = "drive"
_MOST_ATTEMPTS: Final = 1000
"""Of one task: it is handed back for ever."""
_MOST_IDLE: Final = 20
"""Looks in a row that found neither work nor a later time to go to."""


class TimesOut(Exception):
    """Raised by a stand-in for a handler: the attempt ends as if the handler had run until its time-out."""


class WorkerDies(Exception):
    """Raised by a stand-in for a handler: nothing is reported, as if the worker's machine had died."""


class CannotEnd(AssertionError):
    """A run waits for something that no passing of time brings."""


class Driver:
    """Deploys, starts and runs flows, each until it ends; the fixture `drive` is one."""

    def __init__(self, dsn: str) -> None:
        self._connection = connect(dsn, application_name="pgflow drive")
        self._client = Client(connection=self._connection)
        self._set_clock(self.now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __call__(
        self,
        flow: Flow[In, Out],
        value: In,
        *,
        handlers: Mapping[str, Callable[..., Any]] | None = None,
        **options: Unpack[StartOptions],
    ) -> Driven[Out]:
        """Deploy the flow, start a run of it, and drive it to its end.

        `handlers`, step slug -> function, stand in for handlers; values keep the types of those they replace.
        `options` are those of `Client.start`.  Raises CannotEnd instead of waiting for ever.
        """
        found = handlers_of(flow, handlers or {})
        self._client.deploy(flow)
        handle = self._client.start(flow, value, **options)
        return self._drive(flow, handle.run_id, found)

    def finish(
        self,
        flow: Flow[Any, Out],
        run_id: UUID | str,
        *,
        handlers: Mapping[str, Callable[..., Any]] | None = None,
    ) -> Driven[Out]:
        """Drive a run that somebody else has started, or reopened, to its end."""
        return self._drive(flow, run_id_of(run_id), handlers_of(flow, handlers or {}))

    @property
    def now(self) -> datetime:
        """The time by the engine's clock."""
        moment: datetime = self._one("select pgflow.clock()")
        return moment

    def wait(self, duration: timedelta) -> None:
        """Let time pass for the engine."""
        self._set_clock(self.now + duration)

    def _drive(self, flow: Flow[Any, Out], run_id: UUID, handlers: Mapping[str, Handler]) -> Driven[Out]:
        executors = sorted({step.executor for step in flow.definition.steps})
        outside_event_loop(lambda: self._work(run_id, executors, handlers))
        return Driven(flow, fetch(self._connection, get_run(run_id)), self._attempts(run_id))

    def _work(self, run_id: UUID, executors: list[str], handlers: Mapping[str, Handler]) -> None:
        idle = 0
        while self._is_running(run_id):
            if any(self._run_next(executor, run_id, handlers) for executor in executors):
                idle = 0
                continue
            now = self.now
            wake = self._one("select pgflow.next_wake_at(%s)", executors)
            if wake is None or idle >= _MOST_IDLE:
                raise self._stuck(run_id)
            if wake > now:
                self._set_clock(wake)
            idle += 1
            fetch(self._connection, operations.maintain())

    def _is_running(self, run_id: UUID) -> bool:
        return known_status(run_id, fetch(self._connection, runs.run_status(run_id))) == "running"

    def _run_next(self, executor: str, run_id: UUID, handlers: Mapping[str, Handler]) -> bool:
        """Run one task, of this run or another; tell whether there was one."""
        claimed = fetch(self._connection, tasks.claim_step_tasks(executor, _WORKER, 1, lease_seconds=LEASE))
        for task in claimed:
            if task.attempt > _MOST_ATTEMPTS:
                raise CannotEnd(
                    f"step {task.step_slug!r} of run {task.run_id} has been handed back again and again: "
                    f"this is its attempt {task.attempt}"
                )
            self._run(task, executor, handlers if task.run_id == run_id else {})
        return bool(claimed)

    def _run(self, task: ClaimedTask, executor: str, handlers: Mapping[str, Handler]) -> None:
        trial = Trial(self._connection, task, executor)
        deadline = self.now + timedelta(seconds=task.timeout_seconds)
        try:
            output = trial.call(handlers.get(task.step_slug) or resolve(task.handler), deadline)
        except WorkerDies:
            return
        except TimesOut:
            self._set_clock(deadline)
            trial.timed_out()
        except Exception as error:
            trial.failed(error)
        else:
            trial.completed(output)

    def _attempts(self, run_id: UUID) -> list[DrivenAttempt]:
        query = (
            "select step_slug, task_index, attempt, outcome, error, started_at, ended_at "
            "from pgflow.task_attempts where run_id = %s order by step_slug, task_index, attempt"
        )
        with self._connection.cursor(row_factory=class_row(DrivenAttempt)) as cursor:
            return cursor.execute(query, (run_id,)).fetchall()

    def _stuck(self, run_id: UUID) -> CannotEnd:
        run = fetch(self._connection, get_run(run_id))
        paused = self._one("select array(select executor from pgflow.executors where paused_at is not null)")
        if run.paused_at is not None:
            why = "the run is paused: resume it"
        elif paused:
            why = f"executor {', '.join(map(repr, paused))} is paused: resume it"
        else:
            why = "no task of it is ready, and none will be"
        standing = "".join(f"\n  {step.step_slug}: {step.status}, {dict(step.tasks)}" for step in run.steps)
        return CannotEnd(f"run {run_id} of flow {run.flow_slug!r} cannot end: {why}{standing}")

    def _set_clock(self, moment: datetime) -> None:
        self._connection.execute("select set_config('pgflow.fake_now', %s, false)", (moment.isoformat(),))

    def _one(self, query: Any, *values: object) -> Any:
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else row[0]
