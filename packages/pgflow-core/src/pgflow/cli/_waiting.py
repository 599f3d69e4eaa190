"""Follows a run to its end."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import UUID

import psycopg

from pgflow.cli._child import DispatcherProcess
from pgflow.cli._problems import Failure
from pgflow.cli._progress import Progress
from pgflow.client import Client, RunDetail
from pgflow.database.execute import fetch
from pgflow.database.statements.runs import AttemptRow, last_attempts

__all__ = ["failures_of", "wait_for"]

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5
_IDLE_SECONDS: Final = 5.0
#: Watching takes at most a quarter of one database connection's time, however large the run is.
_SHARE: Final = 3.0


def wait_for(
    connection: psycopg.Connection[Any],
    run_id: UUID,
    progress: Progress,
    child: DispatcherProcess | None,
    timeout: float | None,
) -> RunDetail:
    """Show each new state of a run until it has ended.

    Looks every half second at the latest, and more often while things change.  Raises Failure when the time
    is up, at Ctrl-C, and if the dispatcher `child` ends before the run does.
    """
    try:
        return _follow(connection, run_id, progress, child, timeout)
    except KeyboardInterrupt:
        mend = f"`pgflow status {run_id}` shows it, `pgflow cancel {run_id}` ends it"
        raise Failure(f"stopped waiting for run {run_id}, which goes on", mend=mend) from None


def _follow(
    connection: psycopg.Connection[Any],
    run_id: UUID,
    progress: Progress,
    child: DispatcherProcess | None,
    timeout: float | None,
) -> RunDetail:
    client = Client(connection=connection)
    started = changed = time.monotonic()
    pause, seen = _FIRST_PAUSE, None
    failures, failed = dict[str, AttemptRow](), 0
    while True:
        asked = time.monotonic()
        run = client.get_run(run_id)
        now = time.monotonic()
        if run != seen:
            attempts = sum(step.attempts for step in run.steps)
            if attempts > failed:
                failures, failed = failures_of(connection, run_id), attempts
            progress.update(run, failures)
            seen, changed, pause = run, now, _FIRST_PAUSE
        if run.status != "running":
            return run
        if child is not None:
            child.check()
            for warning in child.warnings():
                progress.note(warning)
        if timeout is not None and now - started >= timeout:
            raise Failure(
                f"run {run_id} is still running after {timeout:g} s",
                mend=f"it goes on; look at it with `pgflow status {run_id}`",
                kind="TimeoutError",
            )
        if child is None and now - changed > _IDLE_SECONDS and _nothing_claimed(run):
            progress.note("no worker has taken a task yet; is a dispatcher running? (`pgflow dispatch`)")
            changed = now + 60
        time.sleep(max(pause, _SHARE * (now - asked)))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def failures_of(connection: psycopg.Connection[Any], run_id: UUID) -> dict[str, AttemptRow]:
    """Read the last failed attempt of each step."""
    return {attempt.step_slug: attempt for attempt in fetch(connection, last_attempts(run_id))}


def _nothing_claimed(run: RunDetail) -> bool:
    """Tell whether tasks wait and none is in hand."""
    waiting = sum(step.tasks.get("queued", 0) for step in run.steps)
    in_hand = sum(step.tasks.get(status, 0) for step in run.steps for status in ("claimed", "running"))
    return waiting > 0 and in_hand == 0
