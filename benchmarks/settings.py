"""`python -m benchmarks.settings`: what fillfactor and autovacuum settings do to each hot table.

Each candidate changes one table of a fresh schema and meets the same work on two connections: runs of one
step, chains and a map, in several waves.  The settings in `sql-core/schema` are those that this chose; counts
are the machine's least business, so a busy machine will do.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from pgflow.embedded import EmbeddedServer
from psycopg import sql

from benchmarks.drivers import flows
from benchmarks.drivers import pgflow_sql_driver as driver
from benchmarks.server import SETTINGS, describe

AS_SHIPPED = "as shipped"
CLEANUP = ("autovacuum_vacuum_scale_factor = 0.2", "autovacuum_vacuum_scale_factor = 0.05")
QUEUE_CLEANUP = (
    "autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 2",
    "autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 2",
)
CANDIDATES: dict[str, tuple[str, ...]] = {
    "runs": tuple(f"fillfactor = {factor}" for factor in (100, 80, 60, 45)),
    "run_steps": tuple(f"fillfactor = {factor}" for factor in (100, 50, 35, 25)) + CLEANUP,
    "map_tasks": tuple(f"fillfactor = {factor}" for factor in (100, 70, 50, 35)) + CLEANUP,
    "map_counters": tuple(f"fillfactor = {factor}" for factor in (100, 50, 20, 10)),
    "queues": ("fillfactor = 100", "fillfactor = 20"),
    "sweep_marks": ("fillfactor = 100", "fillfactor = 20"),
    "ready_tasks": QUEUE_CLEANUP,
    "timers": QUEUE_CLEANUP,
}

# An autovacuum that looks as often in this minute as the usual one does in a longer life.
FREQUENT = {**SETTINGS, "autovacuum_naptime": "2s"}

STATISTICS = """
select t.n_tup_upd, t.n_tup_hot_upd, t.n_dead_tup, t.autovacuum_count,
  pg_table_size(t.relid), pg_indexes_size(t.relid)
from pg_stat_all_tables t where t.relid = %s::regclass"""


@dataclass(frozen=True)
class Found:
    """What a candidate's table came to; sizes in kB, the largest of those seen after each wave."""

    table: str
    setting: str
    wal_per_task: float
    hot_share: float
    dead_rows: int
    heap_kb: float
    index_kb: float
    vacuums: int

    def line(self) -> str:
        """Return the row of a Markdown table."""
        cells = (f"{self.wal_per_task:,.0f}", f"{self.hot_share:.0%}", f"{self.dead_rows:,}")
        sizes = (f"{self.heap_kb:,.0f}", f"{self.index_kb:,.0f}", str(self.vacuums))
        return f"| {' | '.join((self.table, self.setting, *cells, *sizes))} |"


HEAD = (
    "| table | setting | WAL bytes a task | HOT updates | dead rows, most | heap kB, most | index kB, most"
    " | vacuums |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def wave(runs: int) -> int:
    """Start and drain a wave of each kind; return its tasks."""
    for flow in ("single", "chain"):
        driver.enqueue(flow, runs, 100)
        driver.drain(flow, runs)
    driver.fan(runs, 0, dependent=False)
    return runs * (flows.STEPS_OF["single"] + flows.STEPS_OF["chain"] + 1) + 1


def try_out(dsn: str, table: str, setting: str, runs: int, waves: int) -> Found:
    """Install PGFlow in an empty database with one table's setting changed, work, and look at the table."""
    driver.install(dsn)
    with psycopg.connect(dsn, autocommit=True) as link:
        if setting != AS_SHIPPED:
            link.execute(f"alter table pgflow.{table} set ({setting})".encode())
        driver.connect(dsn)
        wave(100)
        before, start, tasks = _look(link, table), _lsn(link), 0
        seen: list[tuple[Any, ...]] = []
        for _ in range(waves):
            tasks += wave(runs)
            seen.append(_look(link, table))
        wal = link.execute("select pg_current_wal_insert_lsn() - %s::pg_lsn", (start,)).fetchone()
        for one in driver.connections:
            one.close()
    assert wal is not None
    last = seen[-1]
    updates, hot = last[0] - before[0], last[1] - before[1]
    return Found(
        table,
        setting,
        float(wal[0]) / tasks,
        hot / updates if updates else 1.0,
        *(
            max(one[2] for one in seen),
            max(one[4] for one in seen) / 1024,
            max(one[5] for one in seen) / 1024,
        ),
        last[3],
    )


def _look(link: psycopg.Connection[tuple[Any, ...]], table: str) -> tuple[Any, ...]:
    row = link.execute(STATISTICS, (f"pgflow.{table}",)).fetchone()
    assert row is not None
    return row


def _lsn(link: psycopg.Connection[tuple[Any, ...]]) -> str:
    row = link.execute("select pg_current_wal_insert_lsn()::text").fetchone()
    assert row is not None
    return str(row[0])


def main(given: Sequence[str]) -> None:
    """Try every candidate, or those of the tables named, and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="settings", description=__doc__)
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(CANDIDATES)} (default: all)")
    parser.add_argument("--runs", type=int, default=1000, help="runs of each kind in a wave (default 1000)")
    parser.add_argument("--waves", type=int, default=5, help="waves of each candidate (default 5)")
    options = parser.parse_args(given)
    if unknown := set(options.tables) - set(CANDIDATES):
        raise SystemExit(f"settings: no table {', '.join(sorted(unknown))} among {', '.join(CANDIDATES)}")
    print(HEAD, flush=True)
    with EmbeddedServer.temporary(settings=FREQUENT) as embedded:
        server = describe(embedded.dsn())
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as admin:
            for table in options.tables or CANDIDATES:
                for setting in (AS_SHIPPED, *CANDIDATES[table]):
                    admin.execute(sql.SQL("drop database if exists candidate with (force)"))
                    admin.execute(sql.SQL("create database candidate template template0"))
                    found = try_out(server.dsn("candidate"), table, setting, options.runs, options.waves)
                    print(found.line(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
