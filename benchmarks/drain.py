"""How long a dispatcher takes to stop: `python -m benchmarks.drain`, about a minute.

SIGTERM comes amid a backlog, with so many handlers at once; seconds until the process has ended, and what
became of what it had claimed.  Nothing may be lost, nor cut short unless it outlasts the grace period.
"""

import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from pgflow import Client, Node, flow, step

from benchmarks.drivers.handlers import await_
from benchmarks.fleet import SECONDS, database, dispatching, number

IN_FLIGHT = "select count(*) from pgflow.step_tasks where status = 'running'"
OPEN = "select count(*) from pgflow.step_tasks where status in ('claimed', 'running')"
ENDED = "select count(*) from pgflow.step_task_attempts where outcome = '{}'"

CLAIMED = re.compile(r"stopping: (\d+) attempts")


@flow
def awaiting(milliseconds: Node[int]) -> Node[int]:
    """Wait beside others."""
    return step(await_, milliseconds)


@dataclass(frozen=True)
class Case:
    """So many handlers at a time, each so long, and how long they are given at the end."""

    at_once: int
    milliseconds: int
    grace: float


CASES = (
    Case(1, 1000, 60.0),
    Case(10, 1000, 60.0),
    Case(100, 1000, 60.0),
    Case(400, 1000, 60.0),
    Case(100, 600_000, 1.0),
)


def stop_amid(dsn: str, case: Case, folder: Path) -> str:
    """Stop a dispatcher while it runs; return a row of the table."""
    each = max(1, case.at_once // 2)
    processes = case.at_once // each
    with Client(dsn) as client, psycopg.connect(dsn, autocommit=True) as connection:
        client.deploy(awaiting)
        client.start_many(awaiting, [case.milliseconds] * case.at_once * 3)
        settings = {"processes": processes, "concurrency_per_process": each}
        with dispatching(dsn, folder, grace=case.grace, **settings) as dispatcher:
            while number(connection, IN_FLIGHT) < case.at_once:
                time.sleep(0.01)
            before = time.monotonic()
            dispatcher.terminate()
            assert dispatcher.wait(SECONDS) == 0
            seconds = time.monotonic() - before
        claimed = CLAIMED.findall((folder / "log").read_text())[0]
        left, lost, released = (
            number(connection, query) for query in (OPEN, ENDED.format("lost"), ENDED.format("released"))
        )
        for run in client.runs(status="running", limit=1000):
            client.cancel(run.run_id)
        client.prune(timedelta(0), limit=10_000)
    took = f"{seconds:.1f}"
    row = (case.at_once, claimed, case.milliseconds / 1000, case.grace, took, released, left + lost)
    return "| " + " | ".join(f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row) + " |"


def rows(dsn: str) -> Iterator[str]:
    """Write the table, a row as soon as it is known."""
    yield "| at once | claimed | a handler takes, s | grace, s | SIGTERM to exit, s | handed back | lost |"
    yield "|---|---|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as folder:
        for place, case in enumerate(CASES):
            yield stop_amid(dsn, case, Path(folder, str(place)))


def main() -> None:
    """Try every case."""
    with database() as dsn:
        for row in rows(dsn):
            print(row, flush=True)


if __name__ == "__main__":
    main()
