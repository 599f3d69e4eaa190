"""`pgflow logs`: what tasks logged."""

from __future__ import annotations

import contextlib

import click
from rich.markup import escape

from pgflow.cli._command import pgflow_command
from pgflow.cli._logs import LogFollower
from pgflow.cli._lookup import check_step, find_run
from pgflow.cli._options import run_argument, step_argument
from pgflow.cli._session import Session
from pgflow.client import Client, LogEntry


@pgflow_command("logs", example="pgflow logs 0199f3a1\npgflow logs latest publish --follow")
@run_argument()
@step_argument()
@click.option("--item", type=click.IntRange(min=0), help="Only this item of a map step.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many attempts."
)
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended, or Ctrl-C.")
def command(
    session: Session, *, run_id: str, step: str | None, item: int | None, limit: int, follow: bool
) -> None:
    """Show what the tasks of a run logged and printed, attempt by attempt.

    RUN_ID may be abbreviated to a unique start, or `latest`; STEP leaves out the other steps.  An attempt is
    shown when it has ended; only the tail of its output is kept.
    """
    with session.connection() as connection:
        client = Client(connection=connection)
        found = find_run(connection, run_id)
        check_step(client.get_progress(found), step)
        if follow:
            with contextlib.suppress(KeyboardInterrupt):
                for entry in LogFollower(connection, found, step, item).entries():
                    _print(session, entry)
            return
        logs = client.logs(found, step, item, limit)
    if session.as_json:
        session.output.document(logs)
        return
    for entry in logs:
        _print(session, entry)
    if not logs:
        session.output.note("nothing was logged")


def _print(session: Session, log: LogEntry) -> None:
    if session.as_json:
        session.output.document(log)
        return
    title = f"{log.step_slug}[{log.task_index}] attempt {log.attempt}"
    session.output.line(f"[bold]{escape(title)}[/]  [dim]{log.recorded_at:%Y-%m-%d %H:%M:%S}[/]")
    for text in log.log_tail.rstrip("\n").splitlines():
        session.output.line(f"  {escape(text)}")
