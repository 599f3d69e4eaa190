"""`pgflow status`: one run."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click
from rich.markup import escape

from pgflow.cli._command import pgflow_command
from pgflow.cli._lookup import find_run
from pgflow.cli._output import ago, duration, status_text
from pgflow.cli._session import Session
from pgflow.cli._steps import steps_table, traceback_lines
from pgflow.cli._waiting import failures_of
from pgflow.client import Client, RunDetail
from pgflow.database.statements.runs import AttemptRow
from pgflow.errors import RunFailed


@pgflow_command("status", example="pgflow status latest")
@click.argument("run_id")
def command(session: Session, run_id: str) -> None:
    """Show one run, step by step.

    RUN_ID may be abbreviated to a unique start, or `latest`.
    """
    with session.connection() as connection:
        run = Client(connection=connection).get_run(find_run(connection, run_id))
        failures = failures_of(connection, run.run_id)
    if session.as_json:
        session.output.document(run)
    else:
        _print(session, run, failures)


def _print(session: Session, run: RunDetail, failures: Mapping[str, AttemptRow]) -> None:
    output = session.output
    when = f"started {ago(run.created_at)}"
    if run.finished_at is not None:
        when += f", took {duration((run.finished_at - run.created_at).total_seconds())}"
    output.line(f"run {run.run_id}  [bold]{escape(run.flow_slug)}[/] v{run.flow_version}")
    output.line(
        f"{status_text(run.status)}  [dim]{when}[/]" + ("  [yellow]paused[/]" if run.paused_at else "")
    )
    output.line()
    output.block(steps_table(run, failures))
    if run.error:
        output.line()
        for line in [str(RunFailed(run.run_id, run.error)), *traceback_lines(run.error)]:
            output.line(f"[red]{escape(line)}[/]")
        output.line(f"\n[green]mend:[/] correct the cause, then `pgflow retry {run.run_id}`")
    elif run.output is not None:
        output.line()
        output.line(escape(json.dumps(run.output, indent=2, ensure_ascii=False)))
