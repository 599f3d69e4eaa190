"""`pgflow cancel`: the end of a run, by hand."""

from __future__ import annotations

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._lookup import find_run
from pgflow.cli._options import run_argument
from pgflow.cli._session import Session
from pgflow.database.execute import fetch
from pgflow.database.statements.runs import cancel_run


@pgflow_command("cancel", example='pgflow cancel 0199f3a1 --reason "wrong month"')
@run_argument()
@click.option("--reason", help="Kept with the run, for whoever looks at it later.")
def command(session: Session, run_id: str, reason: str | None) -> None:
    """Cancel a run.

    RUN_ID may be abbreviated to a unique start, or `latest`.  What waits is cancelled at once; what runs is
    told to stop, and its result is not accepted any more.  Cancelling an ended run changes nothing.
    """
    with session.connection() as connection:
        found = find_run(connection, run_id)
        status = fetch(connection, cancel_run(found, reason))
    if session.as_json:
        session.output.document({"run_id": found, "result": status})
    else:
        session.output.line(f"run {found}: {status.replace('_', ' ')}")
