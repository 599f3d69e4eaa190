"""Follows what the attempts of a run log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg

from pgflow.cli._hearing import Ear
from pgflow.client import LogEntry
from pgflow.database.execute import fetch
from pgflow.database.statements.runs import LogPlace, run_status, task_logs

__all__ = ["LogFollower"]

_PAUSE: Final = 0.5
#: Reading takes at most a tenth of one database connection's time.
_SHARE: Final = 10.0
#: A transaction that was open for so long may still commit a log that is older than one seen before.
_OVERLAP: Final = timedelta(seconds=60)
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class LogFollower:
    """Reads each log once, as attempts end, until the run has ended."""

    connection: psycopg.Connection[Any]
    run_id: UUID
    step: str | None
    item: int | None

    def entries(self) -> Iterator[LogEntry]:
        """Yield what was logged so far, then what is new; ends with the run."""
        ear = Ear(self.connection)
        seen: set[tuple[str, int, int]] = set()
        newest: datetime | None = None
        while True:
            asked = time.monotonic()
            # In this order: all that the run's attempts logged is there when its end is.
            ended = fetch(self.connection, run_status(self.run_id)) != "running"
            for entry in self._since(newest):
                if (key := (entry.step_slug, entry.task_index, entry.attempt)) not in seen:
                    seen.add(key)
                    newest = entry.recorded_at if newest is None else max(newest, entry.recorded_at)
                    yield entry
            if ended:
                return
            ear.wait(self.run_id, max(_PAUSE, _SHARE * (time.monotonic() - asked)))

    def _since(self, newest: datetime | None) -> Iterator[LogEntry]:
        place = None if newest is None else LogPlace(newest - _OVERLAP, "", 0, 0)
        while True:
            statement = task_logs(
                self.run_id, step_slug=self.step, task_index=self.item, after=place, limit=_PAGE
            )
            rows = fetch(self.connection, statement)
            yield from (LogEntry(*row) for row in rows)
            if len(rows) < _PAGE:
                return
            last = rows[-1]
            place = LogPlace(last.recorded_at, last.step_slug, last.task_index, last.attempt)
