"""What ended attempts have to say, as JSON text, waiting for the next exchange."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from pgflow import jsontext
from pgflow.database.statements.tasks import MAX_CHARACTERS, MAX_REPORTS
from pgflow.dispatcher.attempts import LiveTask
from pgflow.errors import PgflowError, TooLarge
from pgflow.executor import TaskReport
from pgflow.values import value

__all__ = ["MAX_REPORTS", "Report", "ReportQueue", "as_array", "encode", "refused", "storable"]


@value(frozen=True, slots=True, eq=False)
class Report:
    """One attempt's report, ready to be joined into a batch."""

    task: LiveTask
    text: str = field(repr=False)
    substitute: bool = False
    """Stands for a report that the database refused; if it is refused too, there is no other."""


class ReportQueue:
    """Reports in the order they came; bounded by what may be under way, since every report held a slot."""

    def __init__(self) -> None:
        self._waiting: deque[Report] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, report: Report) -> None:
        """Append a report."""
        self._waiting.append(report)

    def put_back(self, reports: Sequence[Report]) -> None:
        """Return what could not be delivered to the front."""
        self._waiting.extendleft(reversed(reports))

    def take(self) -> list[Report]:
        """Take one call's worth."""
        taken: list[Report] = []
        characters = 0
        while self._waiting and len(taken) < MAX_REPORTS:
            characters += len(self._waiting[0].text)
            if taken and characters > MAX_CHARACTERS:
                break
            taken.append(self._waiting.popleft())
        return taken


def as_array(reports: Iterable[Report]) -> str:
    """Join reports into the array the engine takes."""
    return f"[{','.join([report.text for report in reports])}]"


def encode(task: LiveTask, report: TaskReport) -> Report:
    """Write a report as JSON text; an output goes through as the text it came as."""
    parts = [task.address, f'"outcome":"{report.outcome}"']
    if report.outcome == "complete":
        parts.append(f'"output":{report.output or "null"}')
    elif report.error is not None:
        parts.append(f'"error":{_error(report.error)}')
    if report.outcome == "fail" and not report.retryable:
        parts.append('"retryable":false')
    if report.retry_after_seconds is not None:
        parts.append(f'"retry_after_seconds":{float(report.retry_after_seconds)!r}')
    if report.log_tail:
        parts.append(f'"log_tail":{json.dumps(storable(report.log_tail))}')
    return Report(task, f"{{{','.join(parts)}}}")


def refused(task: LiveTask, reason: PgflowError) -> Report:
    """Fail an attempt, for good, whose result the database cannot store."""
    message = f"the result of the handler cannot be stored: {reason}"
    code = "OUTPUT_TOO_LARGE" if isinstance(reason, TooLarge) else "OUTPUT_INVALID"
    error = _error({"code": code, "message": message})
    text = f'{{{task.address},"outcome":"fail","error":{error},"retryable":false}}'
    return Report(task, text, substitute=True)


def _error(error: Mapping[str, Any]) -> str:
    return json.dumps({key: storable(value) for key, value in error.items()}, default=str)


def storable(value: object) -> object:
    """Replace in a text what jsonb and log files refuse: NUL and lone surrogates."""
    return jsontext.storable(value) if isinstance(value, str) else value
