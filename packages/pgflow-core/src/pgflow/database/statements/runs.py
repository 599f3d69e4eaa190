"""Statements about runs: start, look, cancel, retry, pause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pgflow.database.statement import Statement, as_objects, first, only, scalar, scalars

__all__ = [
    "AttemptRow",
    "LiveLogRow",
    "LogPlace",
    "LogRow",
    "PausedExecutor",
    "Started",
    "StartedMany",
    "cancel_run",
    "find_runs",
    "get_progress",
    "get_run",
    "last_attempts",
    "list_runs",
    "live_task_logs",
    "pause_run",
    "paused_executors",
    "resume_run",
    "retry_run",
    "run_flow",
    "run_flows",
    "run_status",
    "task_logs",
]


class Started(NamedTuple):
    """What `pgflow.run_flow` answers."""

    run_id: UUID
    status: str
    flow_version: int
    created: bool


class StartedMany(NamedTuple):
    """One row of what `pgflow.run_flows` answers; `ordinal` is the input's place, from 1."""

    ordinal: int
    run_id: UUID
    created: bool


class AttemptRow(NamedTuple):
    """One row of `pgflow.step_task_attempts`: an attempt that did not complete; `error` is JSON text."""

    step_slug: str
    task_index: int
    attempt: int
    outcome: str
    error: str | None


class LogRow(NamedTuple):
    """One row of `pgflow.task_logs`."""

    step_slug: str
    task_index: int
    attempt: int
    log_tail: str
    recorded_at: datetime


class LiveLogRow(NamedTuple):
    """One row of `pgflow.live_task_logs`."""

    step_slug: str
    task_index: int
    attempt: int
    log_tail: str
    log_end: int


class LogPlace(NamedTuple):
    """Where a log stands in the order they are read in; `recorded_at` None is before all."""

    recorded_at: datetime | None
    step_slug: str
    task_index: int
    attempt: int


def run_flow(
    flow_slug: str,
    input_json: str,
    *,
    run_id: UUID | None = None,
    flow_version: int | None = None,
    idempotency_key: str | None = None,
    priority: int | None = None,
    start_at: datetime | None = None,
    tags_json: str = "{}",
) -> Statement[Started]:
    """Start one run.  With a run id or an idempotency key it starts once however often it is sent."""
    return Statement(
        "select run_id, status, flow_version, created from pgflow.run_flow("
        "%s, %s::jsonb, run_id => %s, flow_version => %s, idempotency_key => %s, priority => %s, "
        "start_at => %s, tags => %s::jsonb)",
        (flow_slug, input_json, run_id, flow_version, idempotency_key, priority, start_at, tags_json),
        parse=lambda rows: Started(*only(rows)),
        repeatable=run_id is not None or idempotency_key is not None,
    )


def run_flows(
    flow_slug: str,
    inputs_json: Sequence[str],
    *,
    flow_version: int | None = None,
    idempotency_keys: Sequence[str] | None = None,
    priority: int | None = None,
    start_at: datetime | None = None,
    tags_json: str = "{}",
) -> Statement[list[StartedMany]]:
    """Start one run an input, all or none."""
    keys = None if idempotency_keys is None else list(idempotency_keys)
    return Statement(
        "select ordinal, run_id, created from pgflow.run_flows("
        "%s, %s::jsonb[], flow_version => %s, idempotency_keys => %s::text[], priority => %s, "
        "start_at => %s, tags => %s::jsonb) order by ordinal",
        (flow_slug, list(inputs_json), flow_version, keys, priority, start_at, tags_json),
        parse=as_objects(StartedMany),
        repeatable=keys is not None,
    )


def run_status(run_id: UUID) -> Statement[str | None]:
    """Read a run's status; None if there is no such run."""
    return Statement(
        "select status from pgflow.runs where run_id = %s",
        (run_id,),
        parse=lambda rows: None if (row := first(rows)) is None else row[0],
        repeatable=True,
    )


def get_run(run_id: UUID) -> Statement[str]:
    """Read a run with its steps and task counts, as JSON text."""
    return Statement("select pgflow.get_run(%s)::text", (run_id,), parse=scalar, repeatable=True)


def get_progress(run_id: UUID) -> Statement[str]:
    """Read how far a run and its steps are, as JSON text."""
    return Statement("select pgflow.get_progress(%s)::text", (run_id,), parse=scalar, repeatable=True)


def list_runs(
    *,
    status: str | None = None,
    flow_slug: str | None = None,
    tags_json: str | None = None,
    owner: str | None = None,
    since: datetime | None = None,
    before: UUID | None = None,
    limit: int = 20,
) -> Statement[str]:
    """Read the newest runs that match all that is given, and where to go on, as JSON text."""
    return Statement(
        "select pgflow.list_runs(status => %s, flow_slug => %s, tags => %s::jsonb, owner => %s, "
        'since => %s, before => %s, "limit" => %s)::text',
        (status, flow_slug, tags_json, owner, since, before, limit),
        parse=scalar,
        repeatable=True,
    )


def find_runs(first: UUID, last: UUID, *, limit: int) -> Statement[list[UUID]]:
    """Read the ids of runs between two ids, both included: how an abbreviated run id is looked up."""
    return Statement(
        "select run_id from pgflow.runs where run_id between %s and %s order by run_id limit %s",
        (first, last, limit),
        parse=scalars,
        repeatable=True,
    )


def last_attempts(run_id: UUID) -> Statement[list[AttemptRow]]:
    """Read, for each step of a run, the last attempt that did not complete."""
    return Statement(
        "select distinct on (step_slug) step_slug, task_index, attempt, outcome, error::text "
        "from pgflow.step_task_attempts where run_id = %s "
        "order by step_slug, ended_at desc, attempt desc",
        (run_id,),
        parse=as_objects(AttemptRow),
        repeatable=True,
    )


def cancel_run(run_id: UUID, reason: str | None = None) -> Statement[str]:
    """Cancel a run: 'cancelled' or 'already_ended'."""
    return Statement("select pgflow.cancel_run(%s, %s)", (run_id, reason), parse=scalar, repeatable=True)


def retry_run(run_id: UUID, from_step: str | None = None) -> Statement[str]:
    """Reopen an ended run: what failed, or one step and everything downstream of it."""
    return Statement("select pgflow.retry_run(%s, %s)", (run_id, from_step), parse=scalar)


def pause_run(run_id: UUID) -> Statement[str]:
    """Let nothing new of a run be claimed."""
    return Statement("select pgflow.pause_run(%s)", (run_id,), parse=scalar, repeatable=True)


def resume_run(run_id: UUID) -> Statement[str]:
    """End the pause of a run."""
    return Statement("select pgflow.resume_run(%s)", (run_id,), parse=scalar, repeatable=True)


def live_task_logs(
    run_id: UUID, *, step_slug: str | None = None, task_index: int | None = None
) -> Statement[list[LiveLogRow]]:
    """Read the end of what a run's attempts under way have written, where their executors tell."""
    return Statement(
        "select step_slug, task_index, attempt, log_tail, log_end from pgflow.live_task_logs "
        "where run_id = %s and (%s::text is null or step_slug = %s) and (%s::int is null or task_index = %s) "
        "order by step_slug, task_index",
        (run_id, step_slug, step_slug, task_index, task_index),
        parse=as_objects(LiveLogRow),
        repeatable=True,
    )


def task_logs(
    run_id: UUID,
    *,
    step_slug: str | None = None,
    task_index: int | None = None,
    after: LogPlace | None = None,
    limit: int = 1000,
) -> Statement[list[LogRow]]:
    """Read the log tails of a run's attempts, oldest first, from behind a place on."""
    place = after or LogPlace(None, "", 0, 0)
    return Statement(
        "select step_slug, task_index, attempt, log_tail, recorded_at from pgflow.task_logs "
        "where run_id = %s and (%s::text is null or step_slug = %s) and (%s::int is null or task_index = %s) "
        "and (%s::timestamptz is null or (recorded_at, step_slug, task_index, attempt) > (%s, %s, %s, %s)) "
        "order by recorded_at, step_slug, task_index, attempt limit %s",
        (run_id, step_slug, step_slug, task_index, task_index, place.recorded_at, *place, limit),
        parse=as_objects(LogRow),
        repeatable=True,
    )


class PausedExecutor(NamedTuple):
    """An executor that steps of a run wait for."""

    executor: str
    paused_at: datetime
    reason: str | None
    next_try_at: datetime | None
    """When a launch is tried again, if it is paused by itself because its launches are refused."""


def paused_executors(run_id: UUID) -> Statement[list[PausedExecutor]]:
    """Read the paused executors that steps of a run have yet to run on; for roles that read everything."""
    return Statement(
        "select e.executor, e.paused_at, e.pause_reason, e.probe_at from pgflow.executors e "
        "where e.paused_at is not null and e.executor in ("
        "select d.executor from pgflow.runs r join pgflow.step_states s using (run_id) "
        "join pgflow.steps d using (flow_slug, flow_version, step_slug) "
        "where r.run_id = %s and s.status in ('pending', 'running')) order by e.executor",
        (run_id,),
        parse=as_objects(PausedExecutor),
        repeatable=True,
    )
