"""Shows a run while it runs: a live table on a terminal, plain lines everywhere else."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from pgflow.cli._output import STYLES
from pgflow.cli._steps import describe_attempt, steps_table, took
from pgflow.client import RunProgress, StepProgress
from pgflow.database.statements.runs import AttemptRow

__all__ = ["Progress", "show_progress"]

_QUARTERS = 4
Failures = Mapping[str, AttemptRow]


class Progress(Protocol):
    """Is told each new state of the run."""

    def begin(self, run: RunProgress) -> None:
        """Take a state for known: what it tells is no news."""
        ...

    def update(self, run: RunProgress, failures: Failures) -> None:
        """Show the new state; `failures` are the last failed attempts, given when there is a new one."""
        ...

    def note(self, text: str) -> None:
        """Say something about the wait."""
        ...


@contextmanager
def show_progress(console: Console, *, wanted: bool = True, lasting: bool = True) -> Generator[Progress]:
    """Open the display that fits the console; a table in place stays at the end if it is `lasting`."""
    if not wanted:
        yield _Silence()
    elif console.is_terminal:
        live = _LiveTable()
        with Live(get_renderable=live.render, console=console, refresh_per_second=8, transient=not lasting):
            yield live
    else:
        yield _Lines(console)


class _Silence:
    def begin(self, run: RunProgress) -> None:
        pass

    def update(self, run: RunProgress, failures: Failures) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class _LiveTable:
    """Redrawn in place; keeps only the latest state."""

    def __init__(self) -> None:
        self._run: RunProgress | None = None
        self._failures: dict[str, AttemptRow] = {}
        self._note = ""

    def begin(self, run: RunProgress) -> None:
        self._run = run

    def update(self, run: RunProgress, failures: Failures) -> None:
        self._run = run
        self._failures.update(failures)

    def note(self, text: str) -> None:
        self._note = text

    def render(self) -> RenderableType:
        if self._run is None:
            return Text("starting ...", style="dim")
        table = steps_table(self._run, self._failures)
        return Group(table, Text(self._note, style="yellow")) if self._note else table


class _Lines:
    """One line for each thing that happened."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, tuple[str, int, int]] = {}

    def begin(self, run: RunProgress) -> None:
        self._seen = {step.step_slug: (step.status, self._quarter(step), step.attempts) for step in run.steps}

    def update(self, run: RunProgress, failures: Failures) -> None:
        for step in run.steps:
            before = self._seen.get(step.step_slug, ("pending", 0, 0))
            after = (step.status, self._quarter(step), step.attempts)
            if before == after:
                continue
            self._seen[step.step_slug] = after
            if after[2] > before[2] and step.step_slug in failures:
                failed = self._failed(step, failures[step.step_slug])
                self._console.print(f"[yellow]↻ {escape(step.step_slug)}[/] {failed}")
            for line in self._news(step, before, after):
                self._console.print(line)

    def note(self, text: str) -> None:
        self._console.print(f"  {escape(text)}")

    @staticmethod
    def _failed(step: StepProgress, attempt: AttemptRow) -> str:
        item = f"item {attempt.task_index}, " if step.step_type == "map" else ""
        return escape(item + describe_attempt(attempt))

    @staticmethod
    def _quarter(step: StepProgress) -> int:
        return _QUARTERS * (step.tasks_ended or 0) // step.task_count if step.task_count else 0

    def _news(
        self, step: StepProgress, before: tuple[str, int, int], after: tuple[str, int, int]
    ) -> Iterator[str]:
        mark, style = STYLES.get(step.status, ("?", ""))
        name = escape(step.step_slug)
        is_map = step.step_type == "map"
        items = f" {step.tasks_ended}/{step.task_count}" if is_map and step.task_count else ""
        if before[0] == after[0] == "running":
            if after[1] > before[1]:
                yield f"[{style}]{mark} {name}[/]{items}"
        elif step.status == "skipped":
            yield f"[{style}]{mark} {name}[/] skipped: {escape(str(step.skip_reason)).replace('_', ' ')}"
        elif before[0] != after[0] and step.status != "pending":
            time = took(step, datetime.now(UTC)) if step.finished_at else ""
            yield f"[{style}]{mark} {name}[/]{items}" + (f" [dim]{time}[/]" if time else "")
