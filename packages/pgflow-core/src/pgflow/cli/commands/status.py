"""`pgflow status`: one run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import click
from psycopg import Connection
from rich.markup import escape

from pgflow.cli._command import pgflow_command
from pgflow.cli._lookup import find_run
from pgflow.cli._options import run_argument
from pgflow.cli._output import ago, duration, status_text
from pgflow.cli._problems import FAILED
from pgflow.cli._progress import show_progress
from pgflow.cli._session import Session
from pgflow.cli._steps import steps_table, traceback_lines
from pgflow.cli._waiting import Watch, failures_of
from pgflow.client import Client, RunDetail, RunProgress
from pgflow.database.execute import fetch
from pgflow.database.statements.runs import AttemptRow, paused_executors
from pgflow.errors import DatabaseError, RunFailed

_INSUFFICIENT_PRIVILEGE: Final = "42501"


@pgflow_command("status", example="pgflow status latest\npgflow status 0199f3a1 --watch")
@run_argument()
@click.option("--watch", is_flag=True, help="Follow the run to its end; exit with 1 unless it completed.")
def command(session: Session, run_id: str, *, watch: bool) -> None:
    """Show one run, step by step.

    RUN_ID may be abbreviated to a unique start, or `latest`.
    """
    with session.connection() as connection:
        client = Client(connection=connection)
        found = find_run(connection, run_id)
        if watch:
            with show_progress(session.output.remark, wanted=not session.as_json, lasting=False) as display:
                Watch(connection, found, display, child=None, timeout=None).until_end()
        run = client.get_run(found)
        if session.as_json:
            session.output.document(run)
        else:
            _print(session, run, client.get_progress(found), failures_of(connection, found))
            _print_pauses(session, connection, found)
    if watch and run.status != "completed":
        raise SystemExit(FAILED)


def _print(
    session: Session, run: RunDetail, progress: RunProgress, failures: Mapping[str, AttemptRow]
) -> None:
    output = session.output
    when = f"started {ago(run.created_at)}"
    if run.finished_at is not None:
        when += f", took {duration((run.finished_at - run.created_at).total_seconds())}"
    output.line(f"run {run.run_id}  [bold]{escape(run.flow_slug)}[/] v{run.flow_version}")
    output.line(
        f"{status_text(run.status)}  [dim]{when}[/]" + ("  [yellow]paused[/]" if run.paused_at else "")
    )
    output.line()
    output.block(steps_table(progress, failures))
    if run.error:
        output.line()
        for line in [str(RunFailed(run.run_id, run.error)), *traceback_lines(run.error)]:
            output.line(f"[red]{escape(line)}[/]")
        output.line(f"\n[green]mend:[/] correct the cause, then `pgflow retry {run.run_id}`")
    elif run.output is not None:
        output.line()
        output.line(escape(json.dumps(run.output, indent=2, ensure_ascii=False)))


def _print_pauses(session: Session, connection: Connection[Any], run_id: UUID) -> None:
    """Say which executors the run waits for because they are paused, to those who may know."""
    try:
        paused = fetch(connection, paused_executors(run_id))
    except DatabaseError as error:
        if error.sqlstate != _INSUFFICIENT_PRIVILEGE:
            raise
        return
    for each in paused:
        how = "is paused" if each.next_try_at is None else "is refused by the place it launches to"
        why = each.reason or "no reason was given"
        said = f"executor {each.executor} {how}, {ago(each.paused_at)}: {why}"
        session.output.line(f"\n[yellow]{escape(said)}[/]")
        resume = f"`pgflow resume --executor {each.executor}`"
        mend = resume if each.next_try_at is None else f"correct what is said; then {resume} goes on at once"
        session.output.line(f"[green]mend:[/] {escape(mend)}")
