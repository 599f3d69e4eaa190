"""A database full of runs in every state, filled in bulk, and what one call reads in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from .definitions import chain, map_step, step
from .engine import EPOCH, Engine

_BATCH = 10_000
_STATE = ("runs", "run_steps", "map_tasks", "step_task_attempts")


def define(engine: Engine) -> None:
    """Define the flows of the crowd: a chain of two, a map, a lone step, and one with conditions."""
    engine.at(0)
    engine.define("chain", step("a", timeout=1_000_000), step("b", "a"))
    engine.define("items", map_step("m", "run", timeout=1_000_000))
    engine.define("one", step("a", timeout=1_000_000))
    met, unmet = {"required_input": {"a": None}}, {"forbidden_input": {"a": None}}
    engine.define("gated", step("a"), step("b", "a", **met), step("c", "a", **unmet), step("d", "b", "c"))


def fill(engine: Engine, ended: int, others: int) -> None:
    """Add `ended` ended runs with history, and so many leased, parked, delayed and ready tasks each."""
    _end(engine, ended)
    _start(engine, others)
    for _ in range(0, others, _BATCH):
        engine.claim(min(others, _BATCH), lease=500_000)
    _park(engine, others)
    _start(engine, others, start_at=EPOCH + timedelta(days=1))
    _start(engine, others)


def define_many(engine: Engine, flows: int, steps: int = 20) -> None:
    """Define so many flows, each a chain of so many steps: one by its verb, the others as copies of it."""
    engine.define("copy", *chain(*(f"s{number}" for number in range(steps))))
    (highest,) = engine.row("select max(step_id) from pgflow.steps")
    changed = {
        "flow_slug": "t.flow_slug || c.number",
        "definition_hash": "t.definition_hash || c.number",
        "step_id": f"t.step_id + {highest} * c.number",
        "dep_id": f"t.dep_id + {highest} * c.number",
    }
    for table in ("flows", "steps", "deps"):
        columns = _columns(engine, table)
        values = ", ".join(changed.get(name, f"t.{name}") for name in columns)
        engine.rows(
            f"insert into pgflow.{table} ({', '.join(columns)}) overriding system value select {values} "
            f"from generate_series(1, {flows}) as c (number), pgflow.{table} t where t.flow_slug = 'copy'"
        )


def blocks(engine: Engine, call: str, *params: Any) -> int:
    """Return how many blocks a statement reads, with all that its functions do, in memory or from disk."""
    (line,) = engine.rows(f"explain (analyze, buffers, format json) {call}", *params)
    found = line[0] if isinstance(line[0], list) else json.loads(line[0])
    plan = found[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def sequential_scans(engine: Engine, call: Callable[[], Any]) -> set[str]:
    """Return the tables that a call reads from one end to the other; it is undone."""
    query = "select relname, seq_scan from pg_stat_xact_all_tables where schemaname = 'pgflow'"

    def counted() -> dict[str, int]:
        return {row.relname: row.seq_scan for row in engine.rows(query)}

    with engine.connection.transaction(force_rollback=True):
        before = counted()
        call()
        return {table for table, count in counted().items() if count > before.get(table, 0)}


def rows_fetched(engine: Engine, call: Callable[[], Any], tables: Sequence[str] = _STATE) -> int:
    """Return how many rows of runs, steps and tasks a call fetches by an index, each as often as it is."""
    query = """select sum(idx_tup_fetch) from pg_stat_xact_all_tables
               where schemaname = 'pgflow' and relname = any(%s)"""
    with engine.connection.transaction():
        before = engine.value(query, list(tables))
        call()
        return int(engine.value(query, list(tables)) - before)


def _start(engine: Engine, count: int, **arguments: Any) -> None:
    for first in range(0, count // 2, _BATCH):
        engine.run_many("chain", [{}] * min(_BATCH, count // 2 - first), **arguments)
    engine.run("items", list(range(count // 2)), **arguments)


def _park(engine: Engine, count: int) -> None:
    """As pause_run does, for many runs at once."""
    _start(engine, count)
    engine.rows("insert into pgflow.paused_runs select distinct run_id, now() from pgflow.ready_tasks")
    engine.rows("insert into pgflow.parked_tasks select run_id, step_id, task_index from pgflow.ready_tasks")
    engine.rows("delete from pgflow.ready_tasks")


def _end(engine: Engine, count: int) -> None:
    """Copy one run that ended, with a failure on its way, until there are many."""
    model = engine.run("chain", priority=90)
    engine.fail(engine.take("a"))
    engine.wait(100)
    for slug in ("a", "b"):
        engine.complete(engine.take(slug))
    assert engine.status(model) == "completed"
    engine.rows(
        "create temp table copies as select pgflow._new_run_id() as run_id from generate_series(1, %s)", count
    )
    for table in _STATE:
        columns = _columns(engine, table)
        values = [f"{'c' if name == 'run_id' else 't'}.{name}" for name in columns]
        engine.rows(
            f"insert into pgflow.{table} ({', '.join(columns)}) select {', '.join(values)} "
            f"from copies c, pgflow.{table} t where t.run_id = %s",
            model,
        )
    engine.rows("drop table copies")


def _columns(engine: Engine, table: str) -> list[str]:
    named = engine.rows(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        f"pgflow.{table}",
    )
    return [row.attname for row in named]
