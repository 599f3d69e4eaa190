"""Renders the steps of a run: one row a step, with a bar for map steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pgflow.cli._output import STYLES, duration
from pgflow.client import RunProgress, StepProgress
from pgflow.database.statements.runs import AttemptRow

__all__ = ["describe_attempt", "steps_table", "took", "traceback_lines"]

_BAR = 24
_REMARK = 90
_TRACEBACK_LINES = 12


def steps_table(run: RunProgress, failures: Mapping[str, AttemptRow], now: datetime | None = None) -> Table:
    """Draw the steps as they stand at `now`; `failures` has the last failed attempt of each step."""
    moment = now or datetime.now(UTC)
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for step in run.steps:
        spent = Text(took(step, moment), style="dim")
        table.add_row(_name(step), _bar(step), _count(step), spent, _remark(step, failures))
    return table


def took(step: StepProgress, now: datetime) -> str:
    """Say how long a step has been at work; "" if it has not started."""
    if step.started_at is None:
        return ""
    return duration(max(((step.finished_at or now) - step.started_at).total_seconds(), 0.0))


def traceback_lines(error: Mapping[str, Any] | None) -> list[str]:
    """Return the end of the traceback in an error object."""
    lines = str((error or {}).get("traceback") or "").rstrip().splitlines()
    return lines if len(lines) <= _TRACEBACK_LINES else ["...", *lines[-_TRACEBACK_LINES:]]


def _name(step: StepProgress) -> Text:
    mark, style = STYLES.get(step.status, ("?", ""))
    return Text.assemble(
        (f"{mark} ", style), (step.step_slug, "dim" if step.status in {"pending", "skipped"} else "")
    )


def _bar(step: StepProgress) -> ProgressBar | Text:
    if step.step_type != "map" or not step.task_count:
        return Text()
    return ProgressBar(total=step.task_count, completed=step.tasks_ended or 0, width=_BAR)


def _count(step: StepProgress) -> str:
    if step.step_type != "map" or step.task_count is None:
        return ""
    return f"{step.tasks_ended}/{step.task_count}"


def _remark(step: StepProgress, failures: Mapping[str, AttemptRow]) -> Text:
    if step.status == "skipped":
        return Text(f"skipped: {step.skip_reason}".replace("_", " "), style="yellow")
    if step.status == "failed" and step.error:
        return Text(_first_line(step.error)[:_REMARK], style="red")
    if step.status == "running" and step.progress is not None:
        return Text(str(step.progress).partition("\n")[0][:_REMARK], style="cyan")
    failure = failures.get(step.step_slug)
    if failure is None or step.status == "cancelled":
        return Text()
    return Text(describe_attempt(failure), style="dim" if step.status == "completed" else "yellow")


def describe_attempt(attempt: AttemptRow) -> str:
    """Say in a line how an attempt ended that did not complete."""
    reason = _first_line(json.loads(attempt.error))[:_REMARK] if attempt.error else ""
    return f"attempt {attempt.attempt} {attempt.outcome.replace('_', ' ')}" + (
        f": {reason}" if reason else ""
    )


def _first_line(error: Mapping[str, Any]) -> str:
    message = str(error.get("message", "")).partition("\n")[0]
    kind = str(error.get("type") or error.get("code") or "").rpartition(".")[2]
    return message if not kind or message.startswith(kind) else f"{kind}: {message}"
