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
from pgflow.cli._input import Input
from pgflow.cli._lookup import definition_of, find_flow
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
    """A run that is committed."""

    run_id: UUID
    flow_slug: str
    flow_version: int
    created: bool


def start_run(
    session: Session, connection: psycopg.Connection[Any], flow: str, given: Input, options: RunOptions
) -> StartedRun:
    """Check the input, then start the run; MODULE:flow is deployed first.

    Raises InputError, which names the field, before anything is started.
    """
    if is_reference(flow):
        loaded = load_flow(flow, session.config)
        text = loaded.encode_json_input(given.text)
        for deployed in deploy(session, Client(connection=connection), [loaded]):
            if deployed.created:
                print_deployed(session.output.note, deployed)
        slug = loaded.slug
    else:
        from pgflow.cli._schema import check_input

        found = find_flow(connection, flow)
        check_input(given.value, definition_of(found).get("input_schema"), flow)
        slug, text = flow, given.text
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
    return StartedRun(started.run_id, slug, started.flow_version, started.created)
