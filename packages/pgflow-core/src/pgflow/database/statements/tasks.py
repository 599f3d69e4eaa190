"""Statements about tasks: claim, start, heartbeat, report, hand back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, LiteralString, NamedTuple
from uuid import UUID

from pgflow.database.statement import Row, Statement, only, scalar, scalars

__all__ = [
    "CLAIMED_COLUMNS",
    "MAX_CHARACTERS",
    "MAX_REPORTS",
    "ClaimMode",
    "ClaimedTask",
    "Exchanged",
    "Inputs",
    "Renewal",
    "StartedTask",
    "TaskState",
    "claim_step_tasks",
    "complete_step_task",
    "exchange_step_tasks",
    "fail_step_task",
    "heartbeat_step_tasks",
    "release_step_tasks",
    "report_step_tasks",
    "start_step_task",
    "task_states",
]

MAX_REPORTS: Final = 500
"""The engine's limit for one call."""

MAX_CHARACTERS: Final = 16_000_000
"""Of the reports of one call: far below what PostgreSQL takes for one jsonb (256 MB)."""

ClaimMode = Literal["start", "launch"]
Inputs = Literal["full", "none"]


class ClaimedTask(NamedTuple):
    """One claimed task; `params`, `input` and `executor_options` are JSON text."""

    run_id: UUID
    flow_slug: str
    flow_version: int
    step_slug: str
    step_type: Literal["single", "map"]
    task_index: int
    attempt: int
    attempt_token: UUID
    handler: str
    params: str | None
    input: str | None
    executor_options: str | None
    timeout_seconds: float
    heartbeat_timeout_seconds: float | None
    max_attempts: int
    failures: int
    priority: int
    external_id: str | None
    lease_expires_at: datetime

    def __repr__(self) -> str:
        """Leave out the token and the input."""
        return f"<ClaimedTask {self.run_id} {self.step_slug} {self.task_index} attempt {self.attempt}>"


CLAIMED_COLUMNS: LiteralString = (
    "run_id, flow_slug, flow_version, step_slug, step_type, task_index, attempt, attempt_token, handler, "
    "params::text, input::text, executor_options::text, timeout_seconds, heartbeat_timeout_seconds, "
    "max_attempts, failures, priority, external_id, lease_expires_at"
)


_EXCHANGE: Final[LiteralString] = (
    # In seconds, by the database's clock: ours may differ.
    "select kind, ordinal, status, "  # noqa: S608  all parts are literals
    "case when kind = 'wake' then extract(epoch from wake_at - pgflow.clock())::float8 end, "
    + CLAIMED_COLUMNS
    + " from pgflow.exchange_step_tasks(%s::jsonb, %s, %s, %s, %s, %s, %s)"
)
"""Put together once: it is the statement that is sent for every batch of tasks."""


class Exchanged(NamedTuple):
    """What one exchange answers."""

    statuses: list[str]
    """One a report, in order."""
    tasks: list[ClaimedTask]
    wake_in: float | None
    """Seconds until the next parked task becomes ready."""


class StartedTask(NamedTuple):
    """What a start handshake answers; `input` is JSON text, only for 'started'."""

    status: Literal["started", "conflict", "stale"]
    input: str | None
    lease_expires_at: datetime | None


class Renewal(NamedTuple):
    """What a heartbeat answers for one task."""

    status: Literal["ok", "cancel", "stale"]
    lease_expires_at: datetime | None


class TaskState(NamedTuple):
    """Where a task stands; None for a task that is not there."""

    status: str | None
    attempt: int | None


def claim_step_tasks(
    executor: str,
    worker_id: str,
    max_tasks: int,
    *,
    lease_seconds: float = 30,
    mode: ClaimMode = "start",
    inputs: Inputs = "full",
) -> Statement[list[ClaimedTask]]:
    """Claim ready tasks of an executor."""
    return Statement(
        "select " + CLAIMED_COLUMNS + " from pgflow.claim_step_tasks(%s, %s, %s, %s, %s, %s)",  # noqa: S608
        (executor, worker_id, max_tasks, lease_seconds, mode, inputs),
        parse=lambda rows: [ClaimedTask._make(row) for row in rows],
    )


def exchange_step_tasks(
    reports: str,
    executor: str,
    worker_id: str,
    max_tasks: int,
    *,
    lease_seconds: float = 30,
    mode: ClaimMode = "start",
    inputs: Inputs = "full",
) -> Statement[Exchanged]:
    """Report (a JSON array as text, at most 500), claim, and ask for the next wake-up in one round trip."""
    return Statement(
        _EXCHANGE,
        (reports, executor, worker_id, max_tasks, lease_seconds, mode, inputs),
        parse=_exchanged,
    )


def report_step_tasks(reports: str) -> Statement[list[str]]:
    """Report at most 500 ended attempts, a JSON array as text; one status a report, in order."""
    return Statement(
        "select status from pgflow.report_step_tasks(%s::jsonb) order by ordinal",
        (reports,),
        parse=scalars,
        repeatable=True,
    )


def heartbeat_step_tasks(tasks: str, lease_seconds: float) -> Statement[list[Renewal]]:
    """Renew the leases of tasks, a JSON array as text; one answer a task, in order."""
    return Statement(
        "select status, lease_expires_at from pgflow.heartbeat_step_tasks(%s::jsonb, %s) order by ordinal",
        (tasks, lease_seconds),
        parse=lambda rows: [Renewal._make(row) for row in rows],
        repeatable=True,
    )


def release_step_tasks(tasks: str, delay_seconds: float = 0) -> Statement[list[str]]:
    """Hand attempts back, a JSON array as text; one status a task, in order."""
    return Statement(
        "select status from pgflow.release_step_tasks(%s::jsonb, %s) order by ordinal",
        (tasks, delay_seconds),
        parse=scalars,
        repeatable=True,
    )


def start_step_task(
    run_id: UUID, step_slug: str, task_index: int, attempt_token: UUID, instance_id: str
) -> Statement[StartedTask]:
    """Make the start handshake of a launched attempt."""
    return Statement(
        "select status, input::text, lease_expires_at from pgflow.start_step_task(%s, %s, %s, %s, %s)",
        (run_id, step_slug, task_index, attempt_token, instance_id),
        parse=lambda rows: StartedTask(*only(rows)),
        repeatable=True,
    )


def complete_step_task(
    run_id: UUID, step_slug: str, task_index: int, attempt_token: UUID, output: str
) -> Statement[str]:
    """Complete a task with an output, as JSON text: 'completed', 'duplicate' or 'stale'."""
    return Statement(
        "select pgflow.complete_step_task(%s, %s, %s, %s, %s::jsonb)",
        (run_id, step_slug, task_index, attempt_token, output),
        parse=scalar,
        repeatable=True,
    )


def fail_step_task(
    run_id: UUID,
    step_slug: str,
    task_index: int,
    attempt_token: UUID,
    error: str,
    *,
    retryable: bool = True,
    retry_after_seconds: float | None = None,
) -> Statement[str]:
    """Fail a task with an error object, as JSON text: 'retrying', 'failed', 'duplicate' or 'stale'."""
    return Statement(
        "select pgflow.fail_step_task(%s, %s, %s, %s, %s::jsonb, %s, %s)",
        (run_id, step_slug, task_index, attempt_token, error, retryable, retry_after_seconds),
        parse=scalar,
        repeatable=True,
    )


def task_states(keys: Sequence[tuple[UUID, str, int]]) -> Statement[list[TaskState]]:
    """Read where tasks stand, each named by run, step and index; one answer a task, in order."""
    run_ids, step_slugs, indexes = zip(*keys, strict=True) if keys else ((), (), ())
    return Statement(
        "select t.status, t.attempt from unnest(%s::uuid[], %s::text[], %s::int[]) "
        "with ordinality as k (run_id, step_slug, task_index, ordinal) "
        "left join pgflow.step_tasks t using (run_id, step_slug, task_index) order by k.ordinal",
        (list(run_ids), list(step_slugs), list(indexes)),
        parse=lambda rows: [TaskState._make(row) for row in rows],
        repeatable=True,
    )


def _exchanged(rows: Sequence[Row]) -> Exchanged:
    statuses: dict[int, str] = {}
    tasks: list[ClaimedTask] = []
    wake_in: float | None = None
    for row in rows:
        if row[0] == "task":
            tasks.append(ClaimedTask._make(row[4:]))
        elif row[0] == "report":
            statuses[row[1]] = row[2]
        else:
            wake_in = row[3]
    return Exchanged([statuses[ordinal] for ordinal in sorted(statuses)], tasks, wake_in)
