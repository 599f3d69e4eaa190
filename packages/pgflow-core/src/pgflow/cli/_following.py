"""Follows a run to its end and prints its result: what `run --wait` and `retry --wait` share."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import click
import psycopg
from rich.markup import escape

from pgflow.cli._child import DispatcherProcess
from pgflow.cli._output import duration
from pgflow.cli._problems import FAILED
from pgflow.cli._progress import show_progress
from pgflow.cli._session import Opened, Session
from pgflow.cli._steps import describe_error
from pgflow.cli._waiting import wait_for
from pgflow.client import RunDetail
from pgflow.database.execute import fetch
from pgflow.database.statements.definitions import flow_definition

__all__ = ["Following", "follow", "following_options"]


@dataclass(frozen=True, slots=True)
class Following:
    """What a command line says about waiting."""

    wait: bool
    timeout: float | None
    dispatch: bool | None
    progress: bool | None


def following_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options about waiting; the function takes them as the keyword `following`."""

    @functools.wraps(function)
    def call(
        *arguments: Any,
        wait: bool,
        timeout: float | None,
        dispatch: bool | None,
        progress: bool | None,
        **rest: Any,
    ) -> None:
        function(*arguments, following=Following(wait, timeout, dispatch, progress), **rest)

    decorated: Callable[..., None] = call
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_OPTIONS = (
    click.option("--wait/--no-wait", default=False, help="Follow the run to its end and print its result."),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help="With --wait: stop waiting after that; the run goes on.",
    ),
    click.option(
        "--dispatch/--no-dispatch",
        default=None,
        help="With --wait: run the tasks from here (default if this command starts the embedded database).",
    ),
    click.option(
        "--progress/--no-progress", default=None, help="With --wait: show the steps (default without --json)."
    ),
)


def follow(
    session: Session, opened: Opened, connection: psycopg.Connection[Any], run_id: UUID, following: Following
) -> None:
    """Wait for a run and print its result; exits with 1 unless it completed."""
    dispatches = opened.is_ours if following.dispatch is None else following.dispatch
    shown = not session.as_json if following.progress is None else following.progress
    with (
        DispatcherProcess(opened.dsn, session, quiet=True) if dispatches else nullcontext() as child,
        show_progress(session.output.remark, wanted=shown) as progress,
    ):
        run = wait_for(connection, run_id, progress, child, following.timeout)
    result = _result(connection, run)
    if session.as_json:
        session.output.document({**asdict(run), "result": result})
    else:
        _print(session, run, result)
    if run.status != "completed":
        raise SystemExit(FAILED)


def _result(connection: psycopg.Connection[Any], run: RunDetail) -> Any:
    """Pick the flow's value out of the run's output, or all of it where the flow names no step."""
    found = fetch(connection, flow_definition(run.flow_slug, run.flow_version))
    returns = None if found is None else json.loads(found.definition).get("returns")
    return run.output if returns is None or run.output is None else run.output.get(returns)


def _print(session: Session, run: RunDetail, result: Any) -> None:
    output = session.output
    completed = run.status == "completed"
    took = duration((run.finished_at - run.created_at).total_seconds()) if run.finished_at else ""
    output.note(f"[{'green' if completed else 'red'}]{run.status}[/] run {run.run_id} in {took}")
    if completed:
        output.line(escape(json.dumps(result, indent=2, ensure_ascii=False)))
        return
    for line in describe_error(run.error):
        output.note(f"[red]{escape(line)}[/]")
    output.note(f"[green]mend:[/] `pgflow logs {run.run_id}`; then `pgflow retry {run.run_id}`")
