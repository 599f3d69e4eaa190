"""`pgflow retention`: how long ended runs are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._durations import read_duration, show_duration
from pgflow.cli._session import Session
from pgflow.database.execute import fetch
from pgflow.database.statements.operations import retention, set_retention

_FOR_EVER: Final = "forever"


def _read_time(text: str) -> timedelta | Literal["forever"]:
    return _FOR_EVER if text == _FOR_EVER else read_duration(text)


@pgflow_command("retention", example="pgflow retention\npgflow retention 30d\npgflow retention forever")
@click.argument("keep", type=_read_time, required=False, metavar="[TIME|forever]")
def command(session: Session, keep: timedelta | Literal["forever"] | None) -> None:
    """Show or set how long runs are kept after their end.

    TIME is written 12h, 30d or 4w.  Dispatchers delete what is older by themselves, some hundreds of runs at
    a time; `pgflow prune` does so at once.  Unless a time is set, runs are kept for ever.
    """
    with session.connection() as connection:
        if keep is not None:
            fetch(connection, set_retention(None if isinstance(keep, str) else keep))
        kept = fetch(connection, retention())
    if session.as_json:
        session.output.document({"keep_seconds": None if kept is None else kept.total_seconds()})
    elif kept is None:
        session.output.line("ended runs are kept for ever")
    else:
        session.output.line(f"ended runs are kept for {show_duration(kept)}")
