"""Who takes part, with which settings: for the peers, the best that were found; their drivers say more."""

import sys
from pathlib import Path

from benchmarks.drivers import shapes
from benchmarks.participant import Contender

SHAPES = frozenset(shapes.STEPS_OF)
SQL_OPERATIONS = SHAPES | {
    "enqueue",
    "drain",
    "chain",
    "fan",
    "growth",
    "contend",
    "claims",
    "delay",
}


def sql_level(name: str = "pgflow-sql", schema: Path | None = None) -> Contender:
    """Return PGFlow's SQL functions behind a lean client; `schema` is a folder of SQL to use instead."""
    command = (sys.executable, "-m", "benchmarks.drivers.pgflow_sql_driver")
    folder = (str(schema.resolve()),) if schema else ()
    return Contender(
        name, command + folder, "SQL functions, 2 connections, 100 tasks an exchange", SQL_OPERATIONS
    )


def product() -> Contender:
    """Return the whole of PGFlow: client, dispatcher, local executor."""
    return Contender(
        "pgflow",
        (sys.executable, "-m", "benchmarks.drivers.pgflow_driver"),
        "dispatcher and local executor, Python handlers in child processes",
        SHAPES | {"enqueue", "drain", "chain", "fan", "growth", "latency", "idle", "cold-start"},
    )


def peers(python: Path) -> list[Contender]:
    """Return the peers that live in the environment of the given interpreter.

    procrastinate is not asked for a chain of a thousand: at times it waits five seconds for the next job.
    """

    def peer(name: str, settings: str, *more: str, slow: bool = False) -> Contender:
        command = (str(python), "-m", f"benchmarks.drivers.{name}_driver")
        known = frozenset({"enqueue", "drain", "chain", "latency", "idle", *more})
        return Contender(name, command, settings, known, slow)

    return [
        peer("pgqueuer", "2 queue managers x 100, asyncpg, uvloop", "long_chain", "delay"),
        peer("procrastinate", "concurrency 20, pool of 10, uvloop", slow=True),
        peer("absurd", "4 sync clients x 50, poll 10 ms", "fan", *SHAPES, slow=True),
        peer("dbos", "one queue, 50 workflows at a time, poll 10 ms", "fan", *SHAPES, slow=True),
    ]


def node_peers(node: Path, modules: Path) -> list[Contender]:
    """Return the peers from npm, which run in the given Node.js with the packages of `modules`."""

    def peer(name: str, driver: str, settings: str, *operations: str) -> Contender:
        command = (str(node), f"benchmarks/drivers/{driver}_driver.mjs", str(modules))
        return Contender(name, command, settings, frozenset(operations))

    return [
        peer(
            "graphile-worker",
            "graphile",
            "24 jobs at a time, local queue 500, completions in batches",
            "enqueue",
            "drain",
            "chain",
            "long_chain",
            "latency",
            "idle",
            "delay",
        ),
        peer(
            "pg-boss",
            "pgboss",
            "2 loops of fetch 100 and complete 100",
            "enqueue",
            "drain",
            "chain",
            "layer",
            "idle",
            "delay",
        ),
    ]
