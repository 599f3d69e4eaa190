"""Follows what the attempts of a run log, while they run and to their end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg

from pgflow.cli._hearing import Ear
from pgflow.client import LogEntry
from pgflow.database.execute import fetch
from pgflow.database.statements.runs import LiveLogRow, LogPlace, live_task_logs, run_status, task_logs

__all__ = ["LogFollower", "Part"]

_PAUSE: Final = 0.5
#: Reading takes at most a tenth of one database connection's time.
_SHARE: Final = 10.0
#: A transaction that was open for so long may still commit a log that is older than one seen before.
_OVERLAP: Final = timedelta(seconds=60)
_PAGE: Final = 1000
#: The first line of a tail whose beginning was dropped, or is in a file.
_CUT: Final = re.compile(r"\[\.\.\. (?P<bytes>\d+) bytes of output (?P<how>dropped|are in) .*\n")

_Attempt = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """What an attempt wrote since the part before."""

    step_slug: str
    task_index: int
    attempt: int
    text: str
    """Whole lines, until the attempt has ended."""
    ended: LogEntry | None
    """The whole entry, with the last part of an attempt."""


@dataclass
class LogFollower:
    """Reads each log once, while attempts run and as they end, until the run has ended."""

    connection: psycopg.Connection[Any]
    run_id: UUID
    step: str | None
    item: int | None
    _told: dict[_Attempt, int] = field(default_factory=dict[_Attempt, int])
    """How many bytes of an attempt that has not ended were told."""

    def parts(self) -> Iterator[Part]:
        """Yield what was logged so far, then what is new; ends with the run."""
        ear = Ear(self.connection)
        seen: set[_Attempt] = set()
        newest: datetime | None = None
        while True:
            asked = time.monotonic()
            # In this order: all that the run's attempts logged is there when its end is.
            ended = fetch(self.connection, run_status(self.run_id)) != "running"
            for row in self.live():
                if (row.step_slug, row.task_index, row.attempt) not in seen:
                    yield from self._lines(row)
            for entry in self._since(newest):
                if (key := (entry.step_slug, entry.task_index, entry.attempt)) not in seen:
                    seen.add(key)
                    newest = entry.recorded_at if newest is None else max(newest, entry.recorded_at)
                    yield Part(*key, _behind(entry.log_tail, self._told.pop(key, 0)), entry)
            if ended:
                return
            ear.wait(self.run_id, max(_PAUSE, _SHARE * (time.monotonic() - asked)))

    def live(self) -> list[LiveLogRow]:
        """Read the end of what attempts under way have written."""
        return fetch(self.connection, live_task_logs(self.run_id, step_slug=self.step, task_index=self.item))

    def _lines(self, row: LiveLogRow) -> Iterator[Part]:
        """Yield the whole lines that are new."""
        key = (row.step_slug, row.task_index, row.attempt)
        told = self._told.get(key, 0)
        written = row.log_tail.encode()
        missed = row.log_end - len(written) - told
        text = written if missed >= 0 else written[-missed:]
        lines = text[: text.rfind(b"\n") + 1]
        if lines:
            self._told[key] = row.log_end - len(text) + len(lines)
            gap = f"[... {missed} bytes of output ...]\n" if missed > 0 else ""
            yield Part(*key, gap + lines.decode(errors="replace"), None)

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


def _behind(tail: str, told: int) -> str:
    """Return what follows the first `told` bytes of an output, of which only the tail is known."""
    if not told:
        return tail
    cut = _CUT.match(tail)
    kept = tail[cut.end() :].encode() if cut else tail.encode()
    size = len(kept)
    if cut:  # a file has all of it, its beginning too
        size = int(cut["bytes"]) + (len(kept) if cut["how"] == "dropped" else 0)
    missing = size - len(kept) - told
    return tail if missing > 0 else kept[-missing:].decode(errors="replace")
