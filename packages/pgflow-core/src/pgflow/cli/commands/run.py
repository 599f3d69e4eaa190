"""`pgflow run`: one run, from its start to its result."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import click
from rich.markup import escape

from pgflow.cli._child import DispatcherProcess
from pgflow.cli._command import pgflow_command
from pgflow.cli._input import read_input
from pgflow.cli._options import read_tags
from pgflow.cli._output import duration
from pgflow.cli._problems import FAILED
from pgflow.cli._progress import show_progress
from pgflow.cli._session import Opened, Session
from pgflow.cli._starting import RunOptions, StartedRun, start_run
from pgflow.cli._steps import describe_error
from pgflow.cli._waiting import wait_for
from pgflow.client import RunDetail
from pgflow.database.connection import connect


@pgflow_command(
    "run",
    example='pgflow run flows.hello:hello --wait\npgflow run hello --input \'{"body": "so it goes"}\' --wait'
    "\npgflow run hello --input @text.json",
)
@click.argument("flow", metavar="FLOW|MODULE:FLOW")
@click.option("--input", "input_text", metavar="JSON|@FILE|-", help="The input (default: {}); - reads stdin.")
@click.option("--wait/--no-wait", default=False, help="Follow the run to its end and print its result.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="With --wait: stop waiting after that; the run goes on.",
)
@click.option(
    "--dispatch/--no-dispatch",
    default=None,
    help="With --wait: run the tasks from here (default where this command starts the embedded database).",
)
@click.option(
    "--progress/--no-progress",
    "shows_progress",
    default=None,
    help="With --wait: show the steps (default without --json).",
)
@click.option("--priority", type=click.IntRange(-100, 100), help="Higher runs first (-100 to 100).")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Kept with the run; may be repeated.")
@click.option("--idempotency-key", metavar="KEY", help="Start at most one run of the flow with this key.")
def command(
    session: Session,
    flow: str,
    *,
    input_text: str | None,
    wait: bool,
    timeout: float | None,
    dispatch: bool | None,
    shows_progress: bool | None,
    priority: int | None,
    tags: tuple[str, ...],
    idempotency_key: str | None,
) -> None:
    """Start a run, and follow it to its end.

    FLOW is the slug of a deployed flow.  MODULE:FLOW is deployed first, if it changed.  The exit code is 1
    if the run failed or was cancelled.
    """
    value = read_input(input_text)
    options = RunOptions(priority, idempotency_key, read_tags(tags))
    with session.database() as opened, connect(opened.dsn, application_name="pgflow run") as connection:
        started = start_run(session, connection, flow, value, options)
        if not wait:
            _announce(session, opened, started)
            return
        dispatches = opened.is_ours if dispatch is None else dispatch
        shown = not session.as_json if shows_progress is None else shows_progress
        with (
            DispatcherProcess(opened.dsn, session, quiet=True) if dispatches else nullcontext() as child,
            show_progress(session.output.remark, wanted=shown) as progress,
        ):
            run = wait_for(connection, started.run_id, progress, child, timeout)
        _conclude(session, started, run)


def _announce(session: Session, opened: Opened, started: StartedRun) -> None:
    output = session.output
    if session.as_json:
        output.document(started)
        return
    state = "started" if started.created else "had been started before as"
    output.line(f"{state} run {started.run_id} of {escape(started.flow_slug)} version {started.flow_version}")
    if opened.is_ours:
        output.note("its tasks wait for a dispatcher: `pgflow dev`, or `pgflow run ... --wait`")


def _conclude(session: Session, started: StartedRun, run: RunDetail) -> None:
    output = session.output
    succeeded = run.status == "completed"
    result = started.result_of(run.output) if succeeded else None
    if session.as_json:
        output.document({**_plain(run), "result": result})
    else:
        took = duration((run.finished_at - run.created_at).total_seconds()) if run.finished_at else ""
        style = "green" if succeeded else "red"
        output.note(f"[{style}]{run.status}[/] run {run.run_id} in {took}")
        for line in describe_error(run.error):
            output.note(f"[red]{escape(line)}[/]")
        if succeeded:
            output.line(escape(json.dumps(result, indent=2, ensure_ascii=False)))
        else:
            output.note(f"[green]mend:[/] `pgflow logs {run.run_id}`; then `pgflow retry {run.run_id}`")
    if not succeeded:
        raise SystemExit(FAILED)


def _plain(run: RunDetail) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(run)
