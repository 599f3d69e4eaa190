"""`pgflow dev`: everything a project needs while it is being written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._development import Development
from pgflow.cli._migrations import migrate
from pgflow.cli._session import Session


@pgflow_command("dev", example="pgflow dev")
@click.argument("flows", nargs=-1, metavar="[MODULE:FLOW]...")
@click.option(
    "--reload/--no-reload", default=True, show_default=True, help="Deploy and restart when a file changes."
)
def command(session: Session, flows: Sequence[str], reload: bool) -> None:
    """Serve a project while you work on it: database, flows and workers in one command.

    Starts the embedded PostgreSQL (or uses the DSN), migrates it, deploys the flows of pgflow.toml (or those
    named), runs their tasks, and does the last two again when a Python file changes.  Ctrl-C stops it all.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    with session.database() as opened:
        if not opened.is_embedded:
            migrate(opened.dsn)
        development = Development(session, opened, flows)
        development.serve(stop, reload=reload)
