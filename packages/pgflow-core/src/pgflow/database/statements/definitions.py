"""Statements about flows and their versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pgflow.database.statement import Row, Statement, as_objects, first, only

__all__ = [
    "DefinedFlow",
    "FlowVersion",
    "StepRow",
    "active_definition",
    "active_steps",
    "define_flow",
    "flow_definition",
    "list_flows",
]


class DefinedFlow(NamedTuple):
    """What `pgflow.define_flow` answers."""

    flow_slug: str
    flow_version: int
    created: bool


class FlowVersion(NamedTuple):
    """One row of `pgflow.flows`; `definition` is JSON text."""

    flow_slug: str
    flow_version: int
    is_active: bool
    created_at: datetime
    definition: str


class StepRow(NamedTuple):
    """One step of an active flow; `executor_options` is JSON text, times are seconds."""

    flow_slug: str
    step_slug: str
    executor: str
    executor_options: str
    timeout: float
    launch_timeout: float
    heartbeat_timeout: float | None


def define_flow(definition: str) -> Statement[DefinedFlow]:
    """Store a definition, given as JSON text, and make it the active version of its slug."""
    return Statement(
        "select flow_slug, flow_version, created from pgflow.define_flow(%s::jsonb)",
        (definition,),
        parse=lambda rows: DefinedFlow(*only(rows)),
        repeatable=True,
    )


_COLUMNS = "select flow_slug, flow_version, is_active, created_at, definition::text from pgflow.flows"


def active_definition(flow_slug: str) -> Statement[FlowVersion | None]:
    """Read the version that new runs of a flow take."""
    return Statement(
        _COLUMNS + " where flow_slug = %s and is_active",
        (flow_slug,),
        parse=_one_version,
        repeatable=True,
    )


def flow_definition(flow_slug: str, flow_version: int) -> Statement[FlowVersion | None]:
    """Read one version of a flow."""
    return Statement(
        _COLUMNS + " where flow_slug = %s and flow_version = %s",
        (flow_slug, flow_version),
        parse=_one_version,
        repeatable=True,
    )


def list_flows(*, active_only: bool = True) -> Statement[list[FlowVersion]]:
    """Read all flows, by slug, newest version first."""
    return Statement(
        _COLUMNS + " where is_active or not %s order by flow_slug, flow_version desc",
        (active_only,),
        parse=as_objects(FlowVersion),
        repeatable=True,
    )


def active_steps() -> Statement[list[StepRow]]:
    """Read the steps of all active flows, by executor."""
    return Statement(
        "select s.flow_slug, s.step_slug, s.executor, coalesce(s.executor_options, '{}')::text, s.timeout, "
        "s.launch_timeout, s.heartbeat_timeout from pgflow.steps s "
        "join pgflow.flows f on f.flow_slug = s.flow_slug and f.flow_version = s.flow_version "
        "where f.is_active order by s.executor, s.flow_slug, s.step_index",
        parse=as_objects(StepRow),
        repeatable=True,
    )


def _one_version(rows: Sequence[Row]) -> FlowVersion | None:
    row = first(rows)
    return None if row is None else FlowVersion(*row)
