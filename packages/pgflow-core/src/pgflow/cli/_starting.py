"""Starts a run of a flow that is named as MODULE:flow or by its slug."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from pgflow.cli._deploying import deploy, print_deployed
from pgflow.cli._flows import is_reference, load_flow
from pgflow.cli._lookup import definition_of, find_flow
from pgflow.cli._schema import check_input
from pgflow.cli._session import Session
from pgflow.client import Client
from pgflow.database.execute import fetch
from pgflow.database.statements.runs import run_flow

__all__ = ["RunOptions", "StartedRun", "start_run"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `pgflow run` says about a run besides its input."""

    priority: int | None = None
    idempotency_key: str | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that is committed; `returns` names the step whose output is the flow's value."""

    run_id: UUID
    flow_slug: str
    flow_version: int
    created: bool
    returns: str | None

    def result_of(self, outputs: Mapping[str, Any] | None) -> Any:
        """Pick the flow's value out of the run's output, or all of it where the flow names no step."""
        if self.returns is None or outputs is None:
            return outputs
        return outputs.get(self.returns)


def start_run(
    session: Session, connection: psycopg.Connection[Any], flow: str, value: object, options: RunOptions
) -> StartedRun:
    """Check the input, then start the run; MODULE:flow is deployed first.

    Raises InputError, which names the field, before anything is started.
    """
    if is_reference(flow):
        loaded = load_flow(flow, session.config)
        text = loaded.encode_input(value)
        for deployed in deploy(session, Client(connection=connection), [loaded]):
            if deployed.created:
                print_deployed(session.output.note, deployed)
        slug, returns = loaded.slug, loaded.definition.returns
    else:
        found = find_flow(connection, flow)
        definition = definition_of(found)
        check_input(value, definition.get("input_schema"), flow)
        slug, text, returns = flow, json.dumps(value), definition.get("returns")
    started = fetch(
        connection,
        run_flow(
            slug,
            text,
            priority=options.priority,
            idempotency_key=options.idempotency_key,
            tags_json=json.dumps(dict(options.tags or {})),
        ),
    )
    return StartedRun(started.run_id, slug, started.flow_version, started.created, returns)
