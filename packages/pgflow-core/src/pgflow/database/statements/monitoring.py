"""Statements for monitors: cheap whatever the size of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from pgflow.database.statement import Statement, as_objects, scalar

__all__ = ["Backlog", "Wait", "backlog", "queue_waits", "sweep_lag"]


class Backlog(NamedTuple):
    """The ready tasks of one executor."""

    executor: str
    ready_tasks: int
    """Counted up to a limit."""
    oldest_seconds: float
    paused: bool


class Wait(NamedTuple):
    """For how long a claimed task had been ready; `ordinal` is its place in the question, from 1 on."""

    ordinal: int
    seconds: float


def backlog() -> Statement[list[Backlog]]:
    """Read what is ready, by executor."""
    return Statement(
        "select executor, ready_tasks, oldest_seconds, paused from pgflow.backlog()",
        parse=as_objects(Backlog),
        repeatable=True,
    )


def sweep_lag() -> Statement[float]:
    """Read for how many seconds the first timer is overdue."""
    return Statement("select pgflow.sweep_lag()", parse=scalar, repeatable=True)


def queue_waits(keys: Sequence[tuple[UUID, str, int]]) -> Statement[list[Wait]]:
    """Read for how long claimed tasks, each named by run, step and index, had been ready."""
    run_ids, step_slugs, indexes = zip(*keys, strict=True) if keys else ((), (), ())
    return Statement(
        "select ordinal, wait_seconds from pgflow.queue_waits(%s::uuid[], %s::text[], %s::int[])",
        (list(run_ids), list(step_slugs), list(indexes)),
        parse=as_objects(Wait),
        repeatable=True,
    )
