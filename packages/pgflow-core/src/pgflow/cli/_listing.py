"""Shows lists of runs: once, or again and again as they change."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from uuid import UUID

from rich.live import Live
from rich.markup import escape

from pgflow.cli._output import ago, duration, plain_table, status_text
from pgflow.cli._session import Session
from pgflow.client import Run, RunPage

__all__ = ["print_runs", "watch_runs"]

_HEADINGS = ("RUN", "FLOW", "STATUS", "STARTED", "TOOK", "ERROR")


def print_runs(session: Session, page: RunPage, limit: int) -> None:
    """Print a page of runs, and how to get the next one."""
    if session.as_json:
        session.output.document(page)
        return
    if page:
        session.output.table(_HEADINGS, map(_row, page))
    if page.next is not None:
        searched = "" if len(page) == limit else "no more among the 100,000 runs looked at; "
        session.output.note(f"[dim]{searched}older ones: --before {page.next}[/]")
    elif not page:
        session.output.note("no runs")


def watch_runs(session: Session, pages: Iterable[RunPage]) -> None:
    """Show each new state of a list until Ctrl-C: a table in place, or a line for each run that is news."""
    with contextlib.suppress(KeyboardInterrupt):
        if session.as_json:
            for page in pages:
                session.output.document(page)
        elif session.output.result.is_terminal:
            _redraw(session, pages)
        else:
            _tell(session, pages)


def _redraw(session: Session, pages: Iterable[RunPage]) -> None:
    shown = RunPage([], None)
    with Live(
        get_renderable=lambda: plain_table(_HEADINGS, map(_row, shown)),
        console=session.output.result,
        refresh_per_second=2,
    ):
        for page in pages:
            shown = page


def _tell(session: Session, pages: Iterable[RunPage]) -> None:
    known: dict[UUID, Run] = {}
    for page in pages:
        for run in reversed(page):
            if known.get(run.run_id) != run:
                run_id, flow, status, _, *ended = _row(run)
                session.output.line("  ".join([run_id, flow, status, *filter(None, ended)]))
        known = {run.run_id: run for run in page}


def _row(run: Run) -> Sequence[str]:
    took = "" if run.finished_at is None else duration((run.finished_at - run.created_at).total_seconds())
    error = str((run.error or {}).get("message", "")).partition("\n")[0]
    return [
        str(run.run_id),
        escape(f"{run.flow_slug} v{run.flow_version}"),
        status_text(run.status),
        ago(run.created_at),
        took,
        escape(error[:60]),
    ]
