"""PGFlow at SQL level: what a lean client in Python gets out of the functions, as they are meant to be used.

Two connections, 100 tasks an exchange. JSON, uuids and times stay text, and reports are string joins, so
that the client's processor time is small beside the server's.
"""

import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pgflow_sql
import psycopg
from psycopg import errors
from psycopg.types.string import TextLoader

from benchmarks.drivers import contention, flows, protocol, psycopg_calls, shapes

CONNECTIONS = 2
EXCHANGE = "select * from pgflow.exchange_step_tasks(%s::jsonb, 'local', %s, %s, 60)"
RAW_TYPES = ("jsonb", "uuid", "timestamptz")
RETRIED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
ITEM_PREFIX = len('{"item": ')

# run_id, step_slug, step_type, task_index, attempt_token, input among the columns of an exchange
TASK_COLUMNS = (4, 7, 8, 9, 11, 14)

Row = tuple[Any, ...]
dsn = ""
connections: list[psycopg.Connection[Row]] = []
defined: set[str] = set()
schema_folder: str | None = None


def open_connection(dsn: str) -> psycopg.Connection[Row]:
    """Return a connection that loads JSON, uuids and times as text and prepares at the first use."""
    connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=0)
    for name in RAW_TYPES:
        connection.adapters.register_loader(name, TextLoader)
    return connection


def install(dsn: str) -> dict[str, Any]:
    """Create the schema, from a folder of SQL files if the driver was given one, and define the flows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(schema_text().encode())
        for definition in flows.definitions():
            connection.execute("select pgflow.define_flow(%s::jsonb)", (definition,))
    return {}


def schema_text() -> str:
    """Return the SQL that installs PGFlow."""
    if schema_folder is not None:
        return "\n".join(path.read_text() for path in sorted(Path(schema_folder).glob("*.sql")))
    return pgflow_sql.install_script()


def connect(dsn: str) -> dict[str, Any]:
    """Open the connections."""
    globals()["dsn"] = dsn
    connections[:] = [open_connection(dsn) for _ in range(CONNECTIONS)]
    return {}


def enqueue(flow: str, count: int, batch: int, delay: float = 0) -> dict[str, Any]:
    """Start `count` runs, due in `delay` seconds: `run_flows`, `batch` inputs a call, or `run_flow` for 1."""
    connection = connections[0]
    if flow in shapes.STEPS_OF and flow not in defined:
        connection.execute("select pgflow.define_flow(%s::jsonb)", (flows.shape(flow),))
        defined.add(flow)
    due = f", start_at => now() + interval '{delay} seconds'" if delay else ""
    one = f"select * from pgflow.run_flow(%s, %s::jsonb{due})".encode()
    many = f"select * from pgflow.run_flows(%s, %s::jsonb[]{due})".encode()
    started = time.perf_counter()
    for done in range(0, count, batch):
        if batch == 1:
            connection.execute(one, (flow, "{}"))
        else:
            connection.execute(many, (flow, ["{}"] * min(batch, count - done)))
    return {"seconds": time.perf_counter() - started}


def exchange(
    connection: psycopg.Connection[Row], reports: list[str], worker: str, limit: int, tries: int = 50
) -> list[Row]:
    """Report and claim; what PGFlow's own clients try again is tried again here."""
    for left in reversed(range(tries)):
        try:
            return connection.execute(EXCHANGE, (f"[{','.join(reports)}]", worker, limit)).fetchall()
        except RETRIED:
            if not left:
                raise
            time.sleep(random.uniform(0.001, 0.01))
    raise AssertionError("unreachable: tries is positive")


class Drain:
    """Tasks still to complete, shared by the connections; `limit` tasks are claimed at a time."""

    def __init__(self, tasks: int, limit: int, outputs: dict[str, str] | None = None) -> None:
        self.left = tasks
        self.limit = limit
        self.outputs = outputs or {}
        self._changed = threading.Condition()

    def work(self, connection: psycopg.Connection[Row], worker: str) -> None:
        """Exchange reports for tasks until every task is completed."""
        reports: list[str] = []
        while self.left > 0:
            rows = exchange(connection, reports, worker, self.limit)
            self._settle(len(reports), rows)
            reports = [self._report(row) for row in rows if row[0] == "task"]
            if not reports:
                with self._changed:
                    self._changed.wait(0.05)

    def _settle(self, reported: int, rows: list[Row]) -> None:
        refused = [row for row in rows if row[0] == "report" and row[2] != "completed"]
        if refused:
            raise RuntimeError(f"not completed: {refused[0]}")
        with self._changed:
            self.left -= reported
            self._changed.notify_all()

    def _report(self, row: Row) -> str:
        run_id, step_slug, step_type, index, token, text = (row[i] for i in TASK_COLUMNS)
        output = text[ITEM_PREFIX:-1] if step_type == "map" else self.outputs.get(step_slug, "1")
        return (
            f'{{"run_id":"{run_id}","step_slug":"{step_slug}","task_index":{index},'
            f'"attempt_token":"{token}","outcome":"complete","output":{output}}}'
        )


def run_all(work: Drain) -> float:
    """Run a drain on every connection and return its seconds."""
    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        futures = [pool.submit(work.work, link, f"worker-{n}") for n, link in enumerate(connections)]
        for future in futures:
            future.result()
    return time.perf_counter() - started


def drain(flow: str, count: int, batch: int = 100) -> dict[str, Any]:
    """Run every task of `count` queued runs, `batch` an exchange."""
    return {"seconds": run_all(Drain(count * flows.STEPS_OF[flow], batch))}


def fan(items: int, payload: int, dependent: bool, batch: int = 100) -> dict[str, Any]:
    """Run a map over `items` items of about `payload` bytes and its reduce, from start to end."""
    values = ",".join(f'"{"x" * payload}"' if payload else str(index) for index in range(items))
    flow = "fan_after" if dependent else "fan"
    started = time.perf_counter()
    connections[0].execute("select * from pgflow.run_flow(%s, %s::jsonb)", (flow, f"[{values}]"))
    begun = time.perf_counter() - started
    tasks = items + flows.STEPS_OF[flow] - 1
    return {"seconds": begun + run_all(Drain(tasks, batch, {"load_items": f"[{values}]"}))}


def contend(items: int, clients: int) -> dict[str, Any]:
    """Complete the items of one map one at a time from `clients` processes; see `contention`."""
    return contention.complete_from(dsn, connections[0], items, clients)


def claims(samples: int) -> dict[str, Any]:
    """Start a run, claim its one task, report it, again and again; `claim_ms`: milliseconds of each claim."""
    connection = connections[0]
    helper = Drain(0, 1)
    taken: list[float] = []
    for _ in range(samples):
        connection.execute("select * from pgflow.run_flow('single', '{}'::jsonb)")
        begun = time.perf_counter()
        rows = exchange(connection, [], "claims", 1)
        taken.append((time.perf_counter() - begun) * 1e3)
        reports = [helper._report(row) for row in rows if row[0] == "task"]
        if len(reports) != 1:
            raise RuntimeError(f"one task should have been claimed, not {len(reports)}")
        exchange(connection, reports, "claims", 0)
    return {"claim_ms": taken}


if __name__ == "__main__":
    schema_folder = sys.argv[1] if len(sys.argv) > 1 else None
    psycopg_calls.watch()
    protocol.serve(
        {
            "install": install,
            "connect": connect,
            "enqueue": enqueue,
            "drain": drain,
            "fan": fan,
            "contend": contend,
            "claims": claims,
        }
    )
