"""`pgflow runs`: the newest runs."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.markup import escape

from pgflow.cli._command import pgflow_command
from pgflow.cli._options import read_tags
from pgflow.cli._output import ago, duration, status_text
from pgflow.cli._session import Session
from pgflow.database.execute import fetch
from pgflow.database.statements.runs import RunRow, list_runs


@pgflow_command("runs", example="pgflow runs --flow atlas --status failed")
@click.option("--flow", metavar="FLOW", help="Only runs of this flow.")
@click.option(
    "--status",
    type=click.Choice(["running", "completed", "failed", "cancelled"]),
    help="Only of this status.",
)
@click.option(
    "--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Only runs with this tag; may be repeated."
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many."
)
def command(
    session: Session, flow: str | None, status: str | None, tags: tuple[str, ...], limit: int
) -> None:
    """List runs, newest first."""
    wanted = json.dumps(read_tags(tags)) if tags else None
    with session.connection() as connection:
        runs = fetch(connection, list_runs(status=status, flow_slug=flow, tags_json=wanted, limit=limit))
    if session.as_json:
        session.output.document([_document(run) for run in runs])
    elif runs:
        session.output.table(["RUN", "FLOW", "STATUS", "STARTED", "TOOK", "ERROR"], map(_row, runs))
    else:
        session.output.note("no runs")


def _document(run: RunRow) -> dict[str, Any]:
    error = None if run.error is None else json.loads(run.error)
    return run._asdict() | {"error": error, "tags": json.loads(run.tags)}


def _row(run: RunRow) -> list[str]:
    took = "" if run.finished_at is None else duration((run.finished_at - run.created_at).total_seconds())
    error = "" if run.error is None else str(json.loads(run.error).get("message", "")).partition("\n")[0]
    flow = f"{run.flow_slug} v{run.flow_version}"
    return [
        str(run.run_id),
        escape(flow),
        status_text(run.status),
        ago(run.created_at),
        took,
        escape(error[:60]),
    ]
