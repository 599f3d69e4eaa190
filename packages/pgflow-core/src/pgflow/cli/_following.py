"""Follows a run to its end and prints its result: what `run --wait` and `retry --wait` share."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import click
import psycopg
from rich.markup import escape

from pgflow.cli._child import DispatcherProcess
from pgflow.cli._output import duration
from pgflow.cli._problems import FAILED, Failure, Problem
from pgflow.cli._progress import show_progress
from pgflow.cli._session import Opened, Session
from pgflow.cli._steps import traceback_lines
from pgflow.cli._waiting import Watch
from pgflow.client import Client, RunDetail, RunProgress
from pgflow.database.execute import fetch
from pgflow.database.statements.definitions import flow_definition
from pgflow.errors import RunCancelled, RunFailed

__all__ = ["Following", "follow", "following_options", "workers"]


@dataclass(frozen=True, slots=True)
class Following:
    """What a command line says about waiting."""

    wait: bool
    timeout: float | None
    dispatch: bool | None
    progress: bool | None

    def check(self) -> None:
        """Raise Problem for an option that means nothing without --wait."""
        given = {"--timeout": self.timeout, "--dispatch": self.dispatch, "--progress": self.progress}
        idle = [option for option, value in given.items() if value is not None]
        if idle and not self.wait:
            raise Problem(f"{idle[0]} is for waiting", mend="add --wait, or leave it out")


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
        following = Following(wait, timeout, dispatch, progress)
        following.check()
        function(*arguments, following=following, **rest)

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


def workers(
    session: Session, opened: Opened, following: Following
) -> AbstractContextManager[DispatcherProcess | None]:
    """Start a dispatcher, if one is asked for, that gets ready while the run is prepared."""
    dispatches = opened.is_ours if following.dispatch is None else following.dispatch
    if following.wait and dispatches:
        return DispatcherProcess(opened.dsn, session, quiet=True)
    return nullcontext()


def follow(
    session: Session,
    connection: psycopg.Connection[Any],
    run_id: UUID,
    following: Following,
    child: DispatcherProcess | None,
    *,
    known: RunProgress | None = None,
) -> None:
    """Wait for a run and print its result; exits with 1 unless it completed.

    What `known` tells of the run is not told again.
    """
    shown = not session.as_json if following.progress is None else following.progress
    with show_progress(session.output.remark, wanted=shown) as progress:
        if known is not None:
            progress.begin(known)
        Watch(connection, run_id, progress, child, following.timeout).until_end()
    run = Client(connection=connection).get_run(run_id)
    result = _result(connection, run)
    if session.as_json:
        session.output.document({**asdict(run), "result": result})
        if run.status != "completed":
            raise SystemExit(FAILED)
    elif run.status == "completed":
        took = duration((run.finished_at - run.created_at).total_seconds()) if run.finished_at else ""
        session.output.note(f"[green]completed[/] run {run.run_id} in {took}")
        session.output.line(escape(json.dumps(result, indent=2, ensure_ascii=False)))
    else:
        raise _failure(run)


def _result(connection: psycopg.Connection[Any], run: RunDetail) -> Any:
    """Pick the flow's value out of the run's output, or all of it where the flow names no step."""
    found = fetch(connection, flow_definition(run.flow_slug, run.flow_version))
    returns = None if found is None else json.loads(found.definition).get("returns")
    return run.output if returns is None or run.output is None else run.output.get(returns)


def _failure(run: RunDetail) -> Failure:
    """Say how the run ended, with the end of the handler's traceback."""
    error = RunCancelled(run.run_id) if run.status == "cancelled" else RunFailed(run.run_id, run.error)
    what = "\n".join([str(error), *traceback_lines(run.error)])
    mend = f"`pgflow logs {run.run_id}` shows its output; `pgflow retry {run.run_id}` goes on from there"
    return Failure(what, mend=mend, kind=type(error).__name__)
