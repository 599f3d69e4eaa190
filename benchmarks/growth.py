"""What many ended steps weigh: `python -m benchmarks.growth --rows 10000000`; needs some 20 GB of disk.

Runs of three chained steps are started and drained in ten parts, until there are so many steps.  After each
part: how fast it went, what it wrote, how large the tables are, what vacuum costs.  Then the timers of the
leases are swept, as dispatchers do meanwhile, the oldest part is deleted in the portions of retention and
vacuumed, and one more part is drained, which should find the room that it left.
Prints a Markdown table and writes `results/growth.md` and `results/growth.json`.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from benchmarks import environment, report
from benchmarks.drivers import flows
from benchmarks.drivers import pgflow_sql_driver as driver
from benchmarks.fleet import number
from benchmarks.measure import Meter
from benchmarks.server import running

PARTS = 10
BATCH = 100
PRUNED_AT_ONCE = 500  # as pgflow.maintain() does
SIZES = """select sum({}) from pg_class c
where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'r'"""


@dataclass(frozen=True)
class Spent:
    """What an action took: seconds, the server's processor seconds, megabytes of WAL."""

    seconds: float
    server_cpu: float
    wal_mb: float


@dataclass(frozen=True)
class Row:
    """One action, the steps it was about, those that were there afterwards, and the sizes then."""

    action: str
    steps: int
    kept: int
    spent: Spent
    table_mb: float
    index_mb: float

    def cells(self) -> list[str]:
        """Return the row of the Markdown table; a step's share is shown where there are any."""
        spent = (self.spent.seconds, self.spent.server_cpu, self.spent.wal_mb)
        rate = f"{self.steps / self.spent.seconds:,.0f}" if self.steps else "-"
        wal = f"{self.spent.wal_mb * 1e6 / self.steps:,.0f}" if self.steps else "-"
        stored = (self.table_mb + self.index_mb) * 1e6 / self.kept if self.kept else 0.0
        sizes = [report.number(size) for size in (self.table_mb, self.index_mb, stored)]
        return [self.action, f"{self.kept:,}", *map(report.number, spent), rate, wal, *sizes]


HEAD = (
    "action",
    "steps there",
    "seconds",
    "server CPU s",
    "WAL MB",
    "steps a second",
    "WAL bytes a step",
    "tables MB",
    "indexes MB",
    "bytes a step there",
)


class Growth:
    """A database that fills up; `steps` of them in each part."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], meter: Meter, steps: int) -> None:
        self._connection = connection
        self._meter = meter
        self._runs = max(BATCH, round(steps / flows.STEPS_OF["chain"]))
        self._part = self._runs * flows.STEPS_OF["chain"]
        self._kept = 0
        self._first_ended = 0.0

    def play(self) -> Iterator[Row]:
        """Fill in parts, with a vacuum after each; then delete the first, vacuum, and drain one more."""
        for place in range(1, PARTS + 1):
            yield self._row(f"part {place}", self._part, self._fill)
            yield self._row(f"vacuum after part {place}", 0, self._vacuum)
        yield self._row("sweep of the timers", 0, self._sweep)
        yield self._row("delete part 1", self._part, self._delete_first)
        yield self._row("vacuum after that", 0, self._vacuum)
        yield self._row(f"part {PARTS + 1}, in the room of part 1", self._part, self._fill)
        yield self._row("vacuum at the end", 0, self._vacuum)

    def _row(self, action: str, steps: int, act: Callable[[], None]) -> Row:
        spent = self._spent(act)
        table, index = (
            number(self._connection, SIZES.format(f"pg_{kind}(c.oid)")) / 1e6
            for kind in ("table_size", "indexes_size")
        )
        return Row(action, steps, self._kept, spent, table, index)

    def _spent(self, act: Callable[[], None]) -> Spent:
        before, begun = self._meter.point(), time.perf_counter()
        act()
        seconds, after = time.perf_counter() - begun, self._meter.point()
        return Spent(seconds, after.cpu - before.cpu, self._meter.wal_bytes(before, after) / 1e6)

    def _fill(self) -> None:
        """Start and drain runs, some thousands at a time, as on a system that keeps up."""
        for done in range(0, self._runs, 5_000):
            count = min(5_000, self._runs - done)
            driver.enqueue("chain", count, BATCH)
            driver.drain("chain", count)
        self._kept += self._part
        self._first_ended = self._first_ended or time.monotonic()

    def _sweep(self) -> None:
        """Wait until the leases of the last part have run out, and have their timers dropped."""
        while number(self._connection, "select count(*) from pgflow.timers"):
            self._connection.execute("select pgflow.maintain()")
            time.sleep(0.1)

    def _delete_first(self) -> None:
        """Delete the runs that had ended when the first part was there, in the portions of retention."""
        deleted, older = 0, "select pgflow.prune_runs(make_interval(secs => %s), %s)"
        while True:
            age = time.monotonic() - self._first_ended
            row = self._connection.execute(older, (age, PRUNED_AT_ONCE)).fetchone()
            assert row is not None
            if not row[0]:
                break
            deleted += row[0]
        self._kept -= deleted * flows.STEPS_OF["chain"]

    def _vacuum(self) -> None:
        self._connection.execute("vacuum (analyze)")


def write(rows: Sequence[Row], facts: dict[str, str], name: str) -> None:
    """Write NAME.md and NAME.json beside the other results."""
    shown = "\n".join(f"- {key}: {value}" for key, value in facts.items())
    table = report.table(HEAD, [row.cells() for row in rows])
    folder = environment.HERE / "results"
    (folder / f"{name}.md").write_text(f"# Growth\n\n{shown}\n\n{table}\n")
    found = {"facts": facts, "rows": [asdict(row) for row in rows]}
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def main(given: Sequence[str] | None = None) -> None:
    """Fill, delete and fill again; print each row as soon as it is known."""
    parser = argparse.ArgumentParser(prog="benchmarks.growth", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="steps in the end (default 10 M)")
    parser.add_argument("--dsn", help="a superuser's DSN of a server to use instead of the embedded one")
    parser.add_argument("--name", default="growth", help="name of the result files (default growth)")
    chosen = parser.parse_args(given)
    if chosen.rows < 1:
        parser.error("--rows must be 1 or more")
    rows: list[Row] = []
    with running(chosen.dsn) as server, psycopg.connect(server.dsn("postgres"), autocommit=True) as admin:
        admin.execute("drop database if exists growth with (force)")
        admin.execute("create database growth template template0")
        dsn = server.dsn("growth")
        driver.install(dsn)
        driver.connect(dsn)
        print(report.table(HEAD, []), flush=True)
        with psycopg.connect(dsn, autocommit=True) as connection:
            growth = Growth(connection, Meter(connection, server.waldump), chosen.rows // PARTS)
            for row in growth.play():
                rows.append(row)
                print(f"| {' | '.join(row.cells())} |", flush=True)
        for link in driver.connections:
            link.close()
        admin.execute("drop database growth with (force)")
        facts = {"taken_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "steps": f"{chosen.rows:,}"}
        facts |= {key: str(value) for key, value in (environment.machine() | server.settings).items()}
    write(rows, facts, chosen.name)


if __name__ == "__main__":
    main()
