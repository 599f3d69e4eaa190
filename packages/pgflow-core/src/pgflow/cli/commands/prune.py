"""`pgflow prune`: the end of old runs' rows."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import Any, Final

import click
import psycopg

from pgflow.cli._command import pgflow_command
from pgflow.cli._durations import read_duration
from pgflow.cli._session import Session
from pgflow.database.execute import fetch
from pgflow.database.statements.operations import count_prunable, prune_runs

#: Runs in one transaction: few enough that it is short, and holds back no vacuum.
_BATCH: Final = 500


@pgflow_command("prune", example="pgflow prune --older-than 30d --dry-run\npgflow prune --older-than 30d")
@click.option(
    "--older-than",
    type=read_duration,
    required=True,
    metavar="TIME",
    help="How long ago a run must have ended: 45s, 90m, 12h, 30d, 4w.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many runs (default: all).")
@click.option("--dry-run", is_flag=True, help="Count the runs that would go, and delete none.")
def command(session: Session, older_than: timedelta, limit: int | None, dry_run: bool) -> None:
    """Delete runs that ended long ago, with all their rows.

    Runs under way are never touched.  It deletes the oldest first, some hundreds in a transaction, and may be
    interrupted and run again at any time.
    """
    with session.connection() as connection:
        if dry_run:
            found = fetch(connection, count_prunable(older_than.total_seconds()))
            pruned = found if limit is None else min(found, limit)
        else:
            pruned = _prune(session, connection, older_than.total_seconds(), limit)
    if session.as_json:
        session.output.document({"dry_run": dry_run, "runs": pruned})
    else:
        session.output.line(f"{'would delete' if dry_run else 'deleted'} {pruned} run{'s' * (pruned != 1)}")


def _prune(
    session: Session, connection: psycopg.Connection[Any], older_than: float, limit: int | None
) -> int:
    pruned = 0
    remark = session.output.remark
    shown = remark.status("deleting ...") if remark.is_terminal and not session.as_json else nullcontext()
    with shown as display:
        while limit is None or pruned < limit:
            wanted = _BATCH if limit is None else min(_BATCH, limit - pruned)
            deleted = fetch(connection, prune_runs(older_than, wanted))
            pruned += deleted
            if not deleted:
                break
            if display is not None:
                display.update(f"deleted {pruned} runs ...")
    return pruned
