"""Follows a run to its end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg

from pgflow.cli._child import DispatcherProcess
from pgflow.cli._hearing import Ear
from pgflow.cli._problems import Failure
from pgflow.cli._progress import Progress
from pgflow.client import Client, RunProgress
from pgflow.database.execute import fetch
from pgflow.database.statements.runs import AttemptRow, last_attempts

__all__ = ["Watch", "failures_of"]

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5
_IDLE_SECONDS: Final = 5.0
_IDLE_AGAIN_SECONDS: Final = 60.0
#: Watching takes at most a quarter of one database connection's time, however large the run is.
_SHARE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Shows each new state of a run; `child` is the dispatcher of this command, if it has one."""

    connection: psycopg.Connection[Any]
    run_id: UUID
    progress: Progress
    child: DispatcherProcess | None
    timeout: float | None
    """In seconds; None waits for ever."""

    def until_end(self) -> RunProgress:
        """Look until the run has ended: every half second at the latest, more often while things change.

        Raises Failure when the time is up, at Ctrl-C, and if the dispatcher ends before the run does.
        """
        try:
            return self._look()
        except KeyboardInterrupt:
            mend = f"`pgflow status {self.run_id}` shows it, `pgflow cancel {self.run_id}` ends it"
            raise Failure(f"stopped waiting for run {self.run_id}, which goes on", mend=mend) from None

    def _look(self) -> RunProgress:
        client, ear = Client(connection=self.connection), Ear(self.connection)
        began = changed = time.monotonic()
        pause, seen = _FIRST_PAUSE, None
        while True:
            asked = time.monotonic()
            run = client.get_progress(self.run_id)
            now = time.monotonic()
            if run != seen:
                self._show(run, seen)
                seen, changed, pause = run, now, _FIRST_PAUSE
            if run.ended:
                return run
            self._check_time(now - began)
            if self.child is None and now - changed > _IDLE_SECONDS:
                self._tell_if_idle(client)
                changed = now + _IDLE_AGAIN_SECONDS
            ear.wait(self.run_id, max(pause, _SHARE * (now - asked)))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            self._hear_child()

    def _show(self, run: RunProgress, seen: RunProgress | None) -> None:
        failed, known = (sum(step.attempts for step in each.steps) if each else 0 for each in (run, seen))
        self.progress.update(run, failures_of(self.connection, self.run_id) if failed > known else {})

    def _check_time(self, spent: float) -> None:
        if self.timeout is not None and spent >= self.timeout:
            raise Failure(
                f"run {self.run_id} is still running after {self.timeout:g} s",
                mend=f"it goes on; look at it with `pgflow status {self.run_id}`",
                kind="TimeoutError",
            )

    def _hear_child(self) -> None:
        if self.child is not None:
            self.child.check()
            for warning in self.child.warnings():
                self.progress.note(warning)

    def _tell_if_idle(self, client: Client) -> None:
        """Say so if tasks wait and nobody has one in hand."""
        run = client.get_run(self.run_id)
        if run.paused_at is not None:
            self.progress.note(f"the run is paused: `pgflow resume {self.run_id}` goes on")
            return
        in_hand = sum(step.tasks.get(status, 0) for step in run.steps for status in ("claimed", "running"))
        if not in_hand and any(step.tasks.get("queued") for step in run.steps):
            self.progress.note("no worker has taken a task yet; is a dispatcher running? (`pgflow dispatch`)")


def failures_of(connection: psycopg.Connection[Any], run_id: UUID) -> dict[str, AttemptRow]:
    """Read the last failed attempt of each step."""
    return {attempt.step_slug: attempt for attempt in fetch(connection, last_attempts(run_id))}
