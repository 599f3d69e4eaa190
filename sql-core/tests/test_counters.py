"""What a run writes and touches from its start to its end, counted by PostgreSQL itself.

Counts do not depend on the machine, so they are held to ceilings a little above today's figures: a change of
the engine that makes a run dearer fails here, with a table.  WAL and buffers are those of the calls, from
EXPLAIN; the commit record (some 40 bytes a call) comes on top, full-page images are switched off.  Whoever
else uses a server keeps dead rows from being pruned a little longer, so this one is for nobody else; leases
are long, so that a slow machine does not make the sweep of due timers a part of the figures.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from .support.definitions import Json, chain, ladder, map_step, step
from .support.engine import Engine, complete_report

# Of one unit, batches of 100 unless said. Measured on PostgreSQL 15, 16 and 18: they agree within 5 %.
CEILINGS = {
    "run of one step": {
        "scans": 9.7,  # PostgreSQL 15 makes one more than 18
        "calls": 0.022,
        "wal_bytes": 1340,  # bar P8: 1,700
        "inserts": 3.05,
        "hot_updates": 3.1,
        "other_updates": 0.25,
        "deletes": 1.02,
        "index_entries": 3.35,
        "buffers": 49,
    },
    "run of one step, one by one": {
        "scans": 28.0,
        "calls": 2.02,
        "wal_bytes": 1630,
        "inserts": 4.05,
        "hot_updates": 3.1,
        "other_updates": 0.05,
        "deletes": 1.02,
        "index_entries": 4.05,
        "buffers": 91,
    },
    "chain of three, idle system": {  # of a whole run: the way of P6; 77 scans, 108 at first
        "scans": 80,
        "calls": 5,
        "wal_bytes": 3960,
        "inserts": 10.05,
        "hot_updates": 9.8,
        "other_updates": 0.1,
        "deletes": 3.05,
        "index_entries": 10.05,
        "buffers": 256,
    },
    "step of a chain": {
        "scans": 7.9,
        "calls": 0.015,
        "wal_bytes": 1090,  # bar P8: 1,400
        "inserts": 2.4,
        "hot_updates": 3.1,
        "other_updates": 0.06,
        "deletes": 1.02,
        "index_entries": 2.45,
        "buffers": 42,
    },
    "task between conditions": {  # beside every second one another is skipped
        "scans": 20.5,
        "calls": 0.06,
        "wal_bytes": 1350,
        "inserts": 2.65,
        "hot_updates": 4.9,
        "other_updates": 0.2,
        "deletes": 1.02,
        "index_entries": 2.7,
        "buffers": 82,
    },
    "item of a map": {
        "scans": 3.7,
        "calls": 0.012,
        "wal_bytes": 1020,
        "inserts": 2.06,
        "hot_updates": 2.2,
        "other_updates": 0.55,
        "deletes": 1.02,
        "index_entries": 2.65,
        "buffers": 31,
    },
}

# Versions of rows, and the entries that they put into indexes (partial indexes have none on these paths).
_WRITES = """
select sum(t.n_tup_ins)::int as inserts, sum(t.n_tup_hot_upd)::int as hot_updates,
  sum(t.n_tup_upd - t.n_tup_hot_upd)::int as other_updates, sum(t.n_tup_del)::int as deletes,
  sum((t.n_tup_ins + t.n_tup_upd - t.n_tup_hot_upd)
    * (select count(*) from pg_index i where i.indrelid = t.relid and i.indpred is null))::int
    as index_entries,
  sum(coalesce(t.seq_scan, 0) + coalesce(t.idx_scan, 0))::int as scans
from pg_stat_xact_all_tables t where t.schemaname = 'pgflow'"""

_EXPLAIN = "explain (analyze, buffers, wal, timing off, summary off, format json) "


@pytest.fixture
def quiet_engine(quiet_database: str) -> Iterator[Engine]:
    """A driver over the only session of its server."""
    with psycopg.connect(quiet_database, autocommit=True) as connection:
        yield Engine(connection)


@dataclass
class Ledger:
    """Drives one flow and sums up what its calls cost."""

    engine: Engine
    slug: str
    batch: int = 100
    calls: int = 0
    total: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        self.engine.rows("drop table if exists pg_temp.answer")
        nothing = "pgflow.exchange_step_tasks('[]', 'none', 'none', 0)"
        self.engine.connection.execute(f"create temporary table answer as select * from {nothing}")

    def start(self, inputs: list[Json]) -> None:
        """Start runs, a batch a call; one run by run_flow."""
        verb, cast = ("run_flow", "jsonb") if len(inputs) == 1 else ("run_flows", "jsonb[]")
        value = json.dumps(inputs[0]) if len(inputs) == 1 else [json.dumps(one) for one in inputs]
        self._count(f"select * from pgflow.{verb}(%s, %s::{cast})", self.slug, value)

    def drain(self) -> int:
        """Work off all that is ready; return how many tasks that were."""
        tasks: list[Any] = []
        done = 0
        while True:
            reports = [complete_report(task, task.input.get("item", 1)) for task in tasks]
            self.engine.rows("truncate pg_temp.answer")
            exchange = "pgflow.exchange_step_tasks(%s::jsonb, 'local', 'worker', %s, 100000)"
            self._count(f"insert into answer select * from {exchange}", json.dumps(reports), self.batch)
            tasks = self.engine.rows("select * from answer where kind = 'task'")
            done += len(tasks)
            if not tasks:
                return done

    def a(self, units: int) -> dict[str, float]:
        """Return the figures of one of so many units."""
        return {name: count / units for name, count in {"calls": self.calls, **self.total}.items()}

    def _count(self, statement: str, *params: Any) -> None:
        with self.engine.transaction():
            before = self.engine.row(_WRITES)._asdict()
            # Not as the caller's role: it may not write into our table.
            ((explained,),) = self.engine.connection.execute(_EXPLAIN + statement, params).fetchone()
            after = self.engine.row(_WRITES)._asdict()
        plan = explained["Plan"]
        self.total += Counter({name: after[name] - before[name] for name in after})
        self.total["wal_bytes"] += plan["WAL Bytes"]
        self.total["buffers"] += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        self.calls += 1


def drained(engine: Engine, slug: str, runs: int, batch: int = 100) -> Ledger:
    """Warm the session up, then count so many runs from their start to their end."""
    for counted in (3 * batch, runs):
        ledger = Ledger(engine, slug, batch)
        for _ in range(counted // batch):
            ledger.start([{}] * batch)
        ledger.drain()
    return ledger


def trickled(engine: Engine, slug: str, runs: int) -> Ledger:
    """Count runs that nothing else is ready beside: what a claim asks for and does not find costs too."""
    for counted in (10, runs):
        ledger = Ledger(engine, slug)
        for _ in range(counted):
            ledger.start([{}])
            ledger.drain()
    return ledger


def mapped(engine: Engine, count: int, size: int) -> dict[str, float]:
    """Count a map over so many items of this size, and its reduce; return the figures of an item."""
    ledger = Ledger(engine, "fan")
    ledger.start([[f"{i:0>{size}}" for i in range(count)]])
    assert ledger.drain() == count + 1
    return ledger.a(count)


def hold(figures: dict[str, dict[str, float]], ceilings: dict[str, dict[str, float]]) -> None:
    """Fail with a table if a figure is above its ceiling."""
    rows = [
        (unit, name, figures[unit].get(name, 0), ceilings[unit][name])
        for unit in figures
        for name in sorted({*figures[unit], *ceilings[unit]})
    ]
    if any(figure > ceiling for *_, figure, ceiling in rows):
        lines = [f"{'':30}{'':16}{'measured':>12}{'ceiling':>12}"]
        lines += [
            f"{unit:30}{name:16}{figure:12.3f}{ceiling:12.3f}{'  <-- over' if figure > ceiling else ''}"
            for unit, name, figure, ceiling in rows
        ]
        pytest.fail("\n".join(lines), pytrace=False)


def test_what_a_unit_of_work_costs(quiet_engine: Engine) -> None:
    """P8, and what stands behind P1, P3, P4 and P5."""
    engine = quiet_engine
    engine.define("single", step("summarize", needs_run_input=True, timeout=100_000))
    engine.define("chain", *chain("fetch_page", "summarize", "publish", timeout=100_000))
    engine.define("fan", map_step("score_items", "run", timeout=100_000), step("collect", "score_items"))
    engine.define("ladder", *ladder(5), timeout=100_000)
    figures = {
        "run of one step": drained(engine, "single", 1000).a(1000),
        "run of one step, one by one": drained(engine, "single", 200, batch=1).a(200),
        "chain of three, idle system": trickled(engine, "chain", 100).a(100),
        "step of a chain": drained(engine, "chain", 1000).a(3000),
        "task between conditions": drained(engine, "ladder", 100, batch=20).a(1100),
        "item of a map": [mapped(engine, count, 1) for count in (1000, 2000)][-1],
    }
    hold(figures, CEILINGS)


def test_an_item_costs_the_same_in_a_map_of_any_size(quiet_engine: Engine) -> None:
    """P5: of 500 bytes, in a map of 2,000 and of 8,000."""
    engine = quiet_engine
    engine.define("fan", map_step("score_items", "run", timeout=100_000), step("collect", "score_items"))
    mapped(engine, 1000, 500)
    small, large = mapped(engine, 2_000, 500), mapped(engine, 8_000, 500)
    one_level_more_of_an_index = 2
    ceilings = {name: figure * 1.05 for name, figure in small.items()}
    ceilings["buffers"] += one_level_more_of_an_index
    hold({"item of 8,000": large}, {"item of 8,000": ceilings})
