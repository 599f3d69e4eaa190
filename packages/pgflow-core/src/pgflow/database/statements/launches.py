"""Statements about attempts that were launched to another place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from pgflow.database.statement import Statement, only, scalars

__all__ = ["DueLaunch", "LaneState", "due_launches", "lane_state", "observe_launches", "record_launches"]


class DueLaunch(NamedTuple):
    """A launched attempt to look at, or to stop."""

    run_id: UUID
    step_slug: str
    task_index: int
    attempt: int
    external_id: str
    handle: dict[str, Any] | None
    action: Literal["observe", "cancel"]


class LaneState(NamedTuple):
    """What a dispatcher that serves an executor must know of the others."""

    other_launches: int
    paused_at: datetime | None
    pause_reason: str | None
    probe_at: datetime | None
    """Of a pause that ends by itself: when the next launch is tried."""


def record_launches(launches: str) -> Statement[list[str]]:
    """Record how launches went, a JSON array as text; one status a launch, in order."""
    return Statement(
        "select status from pgflow.record_launches(%s::jsonb) order by ordinal",
        (launches,),
        parse=scalars,
        repeatable=True,
    )


def due_launches(
    executor: str, at_most: int, interval_seconds: float, external_ids: Sequence[str]
) -> Statement[list[DueLaunch]]:
    """Take the launched attempts of an executor that are due, or named: nobody else gets them meanwhile."""
    return Statement(
        "select run_id, step_slug, task_index, attempt, external_id, handle, action "
        "from pgflow.due_launches(%s, %s, %s, %s::text[])",
        (executor, at_most, interval_seconds, list(external_ids)),
        parse=lambda rows: [DueLaunch._make(row) for row in rows],
        repeatable=True,
    )


def observe_launches(observations: str) -> Statement[list[str]]:
    """Tell what was seen of launched attempts, a JSON array as text; one status each, in order."""
    return Statement(
        "select status from pgflow.observe_launches(%s::jsonb) order by ordinal",
        (observations,),
        parse=scalars,
        repeatable=True,
    )


def lane_state(executor: str, worker_id: str) -> Statement[LaneState]:
    """Ask what the other dispatchers of an executor have launched, and whether it is paused."""
    return Statement(
        "select other_launches, paused_at, pause_reason, probe_at from pgflow.lane_state(%s, %s)",
        (executor, worker_id),
        parse=lambda rows: LaneState(*only(rows)),
        repeatable=True,
    )
