"""Runs one claimed task in this process, and says how it went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import psycopg
from pgflow.database import fetch
from pgflow.database.statements.tasks import ClaimedTask, heartbeat_step_tasks, report_step_tasks
from pgflow.dispatcher.attempts import LiveTask
from pgflow.dispatcher.delivery import is_refusal
from pgflow.dispatcher.reports import as_array, encode, refused
from pgflow.errors import PgflowError
from pgflow.executor import TaskReport
from pgflow.runtime import Handler, Task, failure_of, run_handler

__all__ = ["LEASE", "Trial"]

LEASE: Final = 30.0


@dataclass
class Trial:
    """One attempt at a task; what its handler is told of as `current_task().host`."""

    connection: psycopg.Connection[Any] = field(repr=False)
    task: ClaimedTask
    executor: str
    progressed: dict[str, Any] = field(default_factory=dict[str, Any])

    def call(self, handler: Handler, deadline: datetime) -> str:
        """Call the handler and return its result as JSON text."""
        task = self.task
        told = Task(
            task.run_id,
            task.flow_slug,
            task.step_slug,
            task.task_index,
            task.attempt,
            deadline,
            task.flow_version,
            self,
            self.executor,
        )
        return run_handler(handler, task.params, task.input or "{}", task=told)

    def completed(self, output: str) -> None:
        """Report the handler's result."""
        self._report("complete", output=output)

    def failed(self, exception: Exception) -> None:
        """Report what the handler, or the search for it, raised."""
        failure = failure_of(exception)
        self._report(
            failure.outcome,
            error=failure.error,
            retryable=failure.retryable,
            retry_after_seconds=failure.retry_after_seconds,
        )

    def timed_out(self) -> None:
        """Report that the handler was stopped for running too long."""
        message = f"the handler was stopped: it ran longer than {self.task.timeout_seconds:g} s"
        self._report("fail", error={"code": "TIMEOUT", "message": message})

    def heartbeat(self) -> Literal["ok", "cancel", "stale"]:
        """Renew the lease, and tell of the progress that was made."""
        entry = json.dumps([{**self._address(), **self.progressed}])
        self.progressed = {}
        return fetch(self.connection, heartbeat_step_tasks(entry, LEASE))[0].status

    def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Keep what the next heartbeat tells."""
        said: Mapping[str, Any] = {"done": done, "total": total, "message": message}
        self.progressed = {"progress": {key: value for key, value in said.items() if value is not None}}

    def _report(self, outcome: Literal["complete", "fail", "release"], **said: Any) -> None:
        task = self.task
        live = LiveTask.of(task, self.executor, 0.0)
        report = TaskReport(task.run_id, task.step_slug, task.task_index, task.attempt_token, outcome, **said)
        try:
            fetch(self.connection, report_step_tasks(as_array([encode(live, report)])))
        except PgflowError as error:
            if not is_refusal(error):
                raise
            fetch(self.connection, report_step_tasks(as_array([refused(live, error)])))

    def _address(self) -> dict[str, Any]:
        task = self.task
        return {
            "run_id": str(task.run_id),
            "step_slug": task.step_slug,
            "task_index": task.task_index,
            "attempt_token": str(task.attempt_token),
        }
