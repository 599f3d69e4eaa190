"""Follows a run to its end."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import UUID

import psycopg

from pgflow.cli._child import DispatcherProcess
from pgflow.cli._problems import FAILED, Problem
from pgflow.cli._progress import Progress
from pgflow.client import Client, RunDetail

__all__ = ["wait_for"]

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5
_IDLE_SECONDS: Final = 5.0


def wait_for(
    connection: psycopg.Connection[Any],
    run_id: UUID,
    progress: Progress,
    child: DispatcherProcess | None,
    timeout: float | None,
) -> RunDetail:
    """Show each new state of a run until it has ended.

    Looks every half second at the latest, and more often while things change.  Raises Problem when the time
    is up or the dispatcher `child` ends before the run does.
    """
    client = Client(connection=connection)
    started = changed = time.monotonic()
    pause, seen = _FIRST_PAUSE, None
    while True:
        run = client.get_run(run_id)
        now = time.monotonic()
        if run != seen:
            progress.update(run)
            seen, changed, pause = run, now, _FIRST_PAUSE
        if run.status != "running":
            return run
        if child is not None:
            child.check()
        if timeout is not None and now - started >= timeout:
            raise Problem(
                f"run {run_id} is still running after {timeout:g} s",
                mend=f"it goes on; look at it with `pgflow status {run_id}`",
                exit_code=FAILED,
                kind="TimeoutError",
            )
        if now - changed > _IDLE_SECONDS and _nothing_claimed(run):
            progress.note("no worker has taken a task yet; is a dispatcher running? (`pgflow dispatch`)")
            changed = now + 60
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _nothing_claimed(run: RunDetail) -> bool:
    """Tell whether tasks wait and none is in hand."""
    waiting = sum(step.tasks.get("queued", 0) for step in run.steps)
    in_hand = sum(step.tasks.get(status, 0) for step in run.steps for status in ("claimed", "running"))
    return waiting > 0 and in_hand == 0
