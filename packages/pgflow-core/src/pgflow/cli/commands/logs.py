"""`pgflow logs`: what tasks logged."""

from __future__ import annotations

import click
from rich.markup import escape

from pgflow.cli._command import pgflow_command
from pgflow.cli._lookup import find_run
from pgflow.cli._session import Session
from pgflow.database.execute import fetch
from pgflow.database.statements.runs import LogRow, get_run, task_logs


@pgflow_command("logs", example="pgflow logs 0199f3a1 --step publish")
@click.argument("run_id")
@click.option("--step", metavar="STEP", help="Only this step.")
@click.option("--item", type=click.IntRange(min=0), help="Only this item of a map step.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many attempts."
)
def command(session: Session, run_id: str, step: str | None, item: int | None, limit: int) -> None:
    """Show what the tasks of a run logged and printed, attempt by attempt.

    RUN_ID may be abbreviated to a unique start, or `latest`.  Only the tail of each attempt's output is kept.
    """
    with session.connection() as connection:
        found = find_run(connection, run_id)
        fetch(connection, get_run(found))  # an unknown run is an error, not an empty log
        logs = fetch(connection, task_logs(found, step_slug=step, task_index=item, limit=limit))
    if session.as_json:
        session.output.document([log._asdict() for log in logs])
        return
    for log in logs:
        _print(session, log)
    if not logs:
        session.output.note("nothing was logged")


def _print(session: Session, log: LogRow) -> None:
    title = f"{log.step_slug}[{log.task_index}] attempt {log.attempt}"
    session.output.line(f"[bold]{escape(title)}[/]  [dim]{log.recorded_at:%Y-%m-%d %H:%M:%S}[/]")
    for text in log.log_tail.rstrip("\n").splitlines():
        session.output.line(f"  {escape(text)}")
