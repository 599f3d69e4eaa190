"""`pgflow retry`: a run that goes on."""

from __future__ import annotations

from pgflow.cli._command import pgflow_command
from pgflow.cli._following import Following, follow, following_options, workers
from pgflow.cli._lookup import check_step, find_run
from pgflow.cli._options import run_argument, step_option
from pgflow.cli._session import Session
from pgflow.client import Client
from pgflow.database.connection import connect
from pgflow.database.execute import fetch
from pgflow.database.statements.runs import retry_run


@pgflow_command("retry", example="pgflow retry latest --wait\npgflow retry 0199f3a1 --from-step publish")
@run_argument()
@step_option("--from-step", help="Run this step and all after it again, whatever they did.")
@following_options
def command(session: Session, run_id: str, *, from_step: str | None, following: Following) -> None:
    """Run again what failed or was cancelled, or everything from one step on.

    RUN_ID may be abbreviated to a unique start, or `latest`.  Completed steps and completed map items keep
    their results; every other step gets all its attempts anew.
    """
    with (
        session.database() as opened,
        connect(opened.dsn, application_name="pgflow retry") as connection,
        workers(session, opened, following) as child,
    ):
        client = Client(connection=connection)
        found = find_run(connection, run_id)
        if from_step is not None:
            check_step(client.get_progress(found), from_step)
        status = fetch(connection, retry_run(found, from_step))
        if following.wait:
            known = client.get_progress(found)
            follow(session, connection, found, following, child, known=known)
        elif session.as_json:
            session.output.document({"run_id": found, "result": status})
        else:
            session.output.line(f"run {found}: {status}; follow it with `pgflow status {found}`")
