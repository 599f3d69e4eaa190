"""`pgflow runs`: the newest runs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._durations import read_moment
from pgflow.cli._listing import print_runs, watch_runs
from pgflow.cli._options import flow_option, read_tags
from pgflow.cli._problems import Problem
from pgflow.cli._session import Session
from pgflow.client import Client, RunFilters, RunStatus


@pgflow_command(
    "runs",
    example="pgflow runs --flow atlas --status failed --since 2d\n"
    "pgflow runs --tag team=a --tag day=mon\n"
    "pgflow runs --watch",
)
@flow_option("--flow", help="Only runs of this flow.")
@click.option(
    "--status",
    type=click.Choice(["running", "completed", "failed", "cancelled"]),
    help="Only of this status.",
)
@click.option(
    "--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Only runs with this tag; may be repeated."
)
@click.option("--owner", metavar="NAME", help="Only runs that this user started.")
@click.option(
    "--since", type=read_moment, metavar="TIME", help="Only runs started since: 12h, 2d, 2026-11-22T08:00."
)
@click.option("--before", type=UUID, metavar="RUN_ID", help="Only runs older than this one: the next page.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many."
)
@click.option("--watch", is_flag=True, help="Go on showing them as they change, until Ctrl-C.")
def command(
    session: Session,
    *,
    flow: str | None,
    status: RunStatus | None,
    tags: tuple[str, ...],
    owner: str | None,
    since: datetime | None,
    before: UUID | None,
    limit: int,
    watch: bool,
) -> None:
    """List runs, newest first.

    All filters must match.  It looks at 100,000 runs at the most and says where to go on.  With --watch it
    looks once a second; with --json besides, it prints a document for each change.
    """
    if watch and before is not None:
        raise Problem("--watch shows the newest runs, --before older ones", mend="leave one of them out")
    filters: RunFilters = {"status": status, "flow": flow, "owner": owner, "since": since}
    if tags:
        filters["tags"] = read_tags(tags)
    with session.connection() as connection:
        client = Client(connection=connection)
        if watch:
            watch_runs(session, client.watch_runs(limit=limit, **filters))
        else:
            print_runs(session, client.runs(limit=limit, before=before, **filters), limit)
