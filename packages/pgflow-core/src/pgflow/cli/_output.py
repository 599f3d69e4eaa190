"""Where results and remarks go: results to stdout, all else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import click
from pydantic_core import to_json
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

__all__ = ["STYLES", "Output", "ago", "duration", "plain_table", "status_text"]

_PIPE_WIDTH: Final = 1000

#: Status of a run, step, task or attempt -> (mark, rich style).
STYLES = {
    "completed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "running": ("▶", "cyan"),
    "claimed": ("▷", "cyan"),
    "queued": ("◦", "blue"),
    "pending": ("·", "dim"),
    "skipped": ("↷", "yellow"),
    "cancelled": ("■", "magenta"),
}


class Output:
    """The two streams of a command, as text or as JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.result = _console(sys.stdout)
        self.remark = _console(sys.stderr)

    def document(self, value: Any) -> None:
        """Write one JSON document to stdout; dataclasses, UUIDs and times included."""
        indent = 2 if sys.stdout.isatty() else None
        sys.stdout.write(to_json(value, indent=indent).decode() + "\n")
        sys.stdout.flush()

    def line(self, text: str = "") -> None:
        """Write a line of the result (rich markup), unless the result is JSON."""
        if not self.as_json:
            self.result.print(text)

    def note(self, text: str) -> None:
        """Write a remark (rich markup) to stderr, unless JSON was asked for."""
        if not self.as_json:
            self.remark.print(text)

    def warning(self, text: str) -> None:
        """Write a warning to stderr, in the form of errors."""
        if self.as_json:
            click.echo(json.dumps({"warning": {"message": text}}), err=True)
        else:
            click.echo(f"{click.style('warning:', fg='yellow', bold=True)} {text}", err=True)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table without borders; cells are rich markup."""
        self.block(plain_table(headings, rows))

    def block(self, drawing: RenderableType) -> None:
        """Write a table or a tree as part of the result, without the blanks that fill up its lines."""
        if self.result.is_terminal:
            self.result.print(drawing)
            return
        with self.result.capture() as capture:
            self.result.print(drawing)
        for line in capture.get().splitlines():
            self.result.out(line.rstrip())


def plain_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Draw a table without borders; cells are rich markup."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True, overflow="ignore")
    for row in rows:
        table.add_row(*row)
    return table


def _console(stream: TextIO) -> Console:
    """Write as wide as the terminal is, and as wide as the text is where there is none."""
    return Console(
        file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else _PIPE_WIDTH
    )


def status_text(status: str) -> str:
    """Render a status with its mark and colour."""
    mark, style = STYLES.get(status, ("?", ""))
    return f"[{style}]{mark} {escape(status)}[/]" if style else f"{mark} {escape(status)}"


def duration(seconds: float) -> str:
    """Render a duration for people: "0.42 s", "12 s", "3 min 5 s", "2 h 10 min"."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """Render how long ago a moment was."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < 1:
        return "now"
    if seconds >= 48 * 3600:
        return f"{int(seconds // 86400)} days ago"
    return f"{duration(float(int(seconds))).replace('.00', '')} ago"
