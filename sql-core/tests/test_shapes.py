"""What a step makes the engine read depends on neither the shape of its flow nor what the planner believes.

Counted in entries that indexes give back and rows of tables read whole: a join that looks up half of a key,
or walks an index because its table is believed to be small, reads a run or a table for every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
import pytest

from .support.definitions import Json, chain, ladder, map_step, step
from .support.engine import Engine, complete_report

BATCH = 25
LEASE = 100_000

#: All that holds flows, runs and what leads to them.
FILLED = (
    "flows, steps, deps, runs, run_steps, map_tasks, map_counters, ready_tasks, timers, step_task_attempts"
)

_READ = """
select (select sum(idx_tup_read) from pg_stat_user_indexes where schemaname = 'pgflow')
  + (select sum(seq_tup_read) from pg_stat_user_tables where schemaname = 'pgflow')"""


@dataclass(frozen=True)
class Shape:
    """So many runs of a flow, and what a task may read: a fifth above what probes of whole keys do."""

    steps: list[dict[str, Json]]
    runs: int
    ceiling: float
    value: Json = field(default_factory=dict[str, Json])


def layer(width: int, *last: dict[str, Json]) -> list[dict[str, Json]]:
    parts = [f"part_{number}" for number in range(width)]
    return [step("load"), *(step(part, "load") for part in parts), *last]


def fan_in(width: int) -> dict[str, Json]:
    return step("collect", *(f"part_{number}" for number in range(width)))


SHAPES = {
    "single": Shape([step("a")], 150, 16),
    "chain": Shape(chain("a", "b", "c"), 50, 19),
    "long chain": Shape(chain(*(f"link_{number}" for number in range(60))), 2, 23),
    "layer": Shape(layer(60, fan_in(60)), 2, 30),
    "layer of leaves": Shape(layer(60), 2, 26),
    "ladder": Shape(ladder(12), 10, 37),
    "map": Shape([map_step("m", "run"), step("collect", "m")], 1, 21, value=list(range(150))),
    "many maps": Shape([map_step("m", "run"), step("collect", "m")], 40, 26, value=[1, 2, 3]),
    "maps after a step": Shape([step("load"), map_step("m", "load"), step("collect", "m")], 40, 25),
}


def define(engine: Engine, shape: Shape, versions: int = 1) -> None:
    for version in range(versions):
        engine.define("shape", *shape.steps, base_delay=version + 1)


def unknown(_: Engine, __: Shape) -> None:
    """Never analysed."""


def of_empty_tables(engine: Engine, _: Shape) -> None:
    engine.rows("analyze")


def of_the_definition(engine: Engine, shape: Shape) -> None:
    define(engine, shape)
    engine.rows("analyze")


def of_a_run_under_way(engine: Engine, shape: Shape) -> None:
    define(engine, shape)
    engine.run("shape", shape.value)
    engine.rows("analyze")
    drain(engine)


def of_ended_runs(engine: Engine, shape: Shape) -> None:
    define(engine, shape)
    engine.run_many("shape", [shape.value] * shape.runs)
    drain(engine)
    engine.rows("analyze")


def of_many_versions(engine: Engine, shape: Shape) -> None:
    define(engine, shape, 20)
    engine.rows("analyze")


def drain(engine: Engine) -> int:
    """Work off all that is ready, a batch a call; return how many tasks that were."""
    done = 0
    reports: list[Json] = []
    while True:
        rows = engine.exchange(reports, BATCH, lease=LEASE)
        reports = [complete_report(row, [1, 2, 3]) for row in rows if row.kind == "task"]
        if not reports:
            return done
        done += len(reports)


def read_a_task(engine: Engine, shape: Shape) -> float:
    """What a task of `shape` reads from the start of its run to the end, by plans that one run made."""
    engine.run("shape", shape.value)
    drain(engine)
    before = read(engine)
    engine.run_many("shape", [shape.value] * shape.runs)
    tasks = drain(engine)
    return (read(engine) - before) / tasks


def read(engine: Engine) -> int:
    engine.rows("select pg_stat_force_next_flush()")
    return int(engine.value(_READ))


@pytest.mark.parametrize(
    "statistics",
    [unknown, of_empty_tables, of_the_definition, of_a_run_under_way, of_ended_runs, of_many_versions],
    ids=lambda statistics: statistics.__name__,
)
def test_what_a_task_reads(quiet_database: str, statistics: Callable[[Engine, Shape], None]) -> None:
    """Rules 25, 26, 38."""
    found: dict[str, float] = {}
    for name, shape in SHAPES.items():
        with psycopg.connect(quiet_database, autocommit=True) as connection:
            engine = Engine(connection)
            engine.rows(f"truncate {', '.join(f'pgflow.{table}' for table in FILLED.split(', '))} cascade")
            statistics(engine, shape)
            define(engine, shape)
        with psycopg.connect(quiet_database, autocommit=True) as connection:
            found[name] = read_a_task(Engine(connection), shape)
    over = {
        name: (count, SHAPES[name].ceiling) for name, count in found.items() if count > SHAPES[name].ceiling
    }
    assert over == {}, "read a task: measured, ceiling"
