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

    RUN_ID may be abbreviated to a unique start, or `latest`; STEP leaves out the other steps.  Only the tail
    of an attempt's output is kept.  What attempts under way have written is shown too, where their executor
    tells; with --json an attempt is shown when it has ended.
    """
    with session.connection() as connection:
        client = Client(connection=connection)
        found = find_run(connection, run_id)
        check_step(client.get_progress(found), step)
        if follow:
            with contextlib.suppress(KeyboardInterrupt):
                _follow(session, LogFollower(connection, found, step, item))
            return
        logs = client.logs(found, step, item, limit)
        live = LogFollower(connection, found, step, item).live()
    if session.as_json:
        session.output.document(logs)
        return
    for entry in logs:
        _print_title(session, entry.step_slug, entry.task_index, entry.attempt, entry)
        _print_lines(session, entry.log_tail)
    for row in live:
        _print_title(session, row.step_slug, row.task_index, row.attempt, None)
        _print_lines(session, row.log_tail)
    if not logs and not live:
        session.output.note("nothing was logged")


def _follow(session: Session, follower: LogFollower) -> None:
    last: tuple[str, int, int] | None = None
    for part in follower.parts():
        if session.as_json:
            if part.ended is not None:
                session.output.document(part.ended)
            continue
        attempt = (part.step_slug, part.task_index, part.attempt)
        if attempt != last and (part.text or part.ended is None):
            _print_title(session, *attempt, part.ended)
            last = attempt
        _print_lines(session, part.text)


def _print_title(session: Session, step: str, item: int, attempt: int, ended: LogEntry | None) -> None:
    when = "running" if ended is None else f"{ended.recorded_at:%Y-%m-%d %H:%M:%S}"
    session.output.line(f"[bold]{escape(f'{step}[{item}] attempt {attempt}')}[/]  [dim]{when}[/]")


def _print_lines(session: Session, text: str) -> None:
    for line in text.rstrip("\n").splitlines():
        session.output.line(f"  {escape(line)}")
