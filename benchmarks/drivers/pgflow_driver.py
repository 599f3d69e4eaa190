"""The whole of PGFlow: a dispatcher with the local executor, which runs Python handlers in child processes.

The dispatcher lives in a thread of this process, as idle as in a service while nothing is to do. Work is
enqueued while the executor is paused, so that a drain begins with a full queue.
"""

import asyncio
import threading
import time
from functools import cache
from typing import Any, LiteralString

import psycopg
from pgflow.dispatcher import Dispatcher
from pgflow.plugins import configure, load_plugins

from benchmarks.drivers import flows, pgflow_sql_driver, protocol, psycopg_calls
from benchmarks.participant import ROOT

PATIENCE = 300.0  # seconds for the runs of one operation to end

NEWEST: LiteralString = "select r.status = 'running' from pgflow.runs r order by r.run_id desc limit 1"
ANY: LiteralString = "select exists (select from pgflow.runs r where r.status = 'running')"

Connection = psycopg.Connection[tuple[Any, ...]]


class Ends:
    """Hears of the ends of runs, on connections of its own.

    A transaction that ends very many runs does not name them, so what is heard only says when to look.
    """

    def __init__(self, dsn: str) -> None:
        self._heard = threading.Event()
        self._looking = psycopg.connect(dsn, autocommit=True)
        self._listening = psycopg.connect(dsn, autocommit=True)
        self._listening.execute("listen pgflow_events")
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for _ in self._listening.notifies():
            self._heard.set()

    def wait(self) -> None:
        """Return when no run is left; raises TimeoutError after PATIENCE."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self._heard.wait(1)
            self._heard.clear()
            # the newest run first, by its key: nearly always the last to end, and nothing to scan
            if not self._runs(NEWEST) and not self._runs(ANY):
                return
        raise TimeoutError(f"runs have not ended in {PATIENCE:g} s")

    def _runs(self, query: LiteralString) -> bool:
        row = self._looking.execute(query).fetchone()
        return row is not None and row[0]


state: dict[str, Any] = {}


def connect(dsn: str) -> dict[str, Any]:
    """Open a connection and start the dispatcher."""
    pgflow_sql_driver.connect(dsn)
    connection: Connection = pgflow_sql_driver.connections[0]
    state.update(connection=connection, dsn=dsn)
    started = threading.Event()
    threading.Thread(target=_dispatch, args=(dsn, started), daemon=True).start()
    if not started.wait(30):
        raise RuntimeError("the dispatcher did not start")
    return {}


def _dispatch(dsn: str, started: threading.Event) -> None:
    async def serve() -> None:
        local = configure(load_plugins(), "local", "local", {"preload": [flows.HANDLERS]})
        dispatcher = Dispatcher(dsn, [local], pythonpath=[ROOT])
        running = asyncio.create_task(dispatcher.run())
        while dispatcher.status().state == "starting":  # noqa: ASYNC110 there is no event
            await asyncio.sleep(0.01)
        started.set()
        await running

    asyncio.run(serve())


def enqueue(flow: str, count: int, batch: int) -> dict[str, Any]:
    """Start `count` runs that wait until `drain`."""
    state["connection"].execute("select pgflow.pause_executor('local')")
    return pgflow_sql_driver.enqueue(flow, count, batch)


def drain(flow: str, count: int) -> dict[str, Any]:
    """Let the dispatcher work, from its wake-up to the end of the last run."""
    connection: Connection = state["connection"]
    ends = _ends()
    started = time.perf_counter()
    connection.execute("select pgflow.resume_executor('local')")
    ends.wait()
    return {"seconds": time.perf_counter() - started}


def fan(items: int, payload: int, dependent: bool) -> dict[str, Any]:
    """Run a map over `items` items of about `payload` bytes and its reduce, from start to end."""
    values = ",".join(f'"{"x" * payload}"' if payload else str(index) for index in range(items))
    connection: Connection = state["connection"]
    flow = "fan_after" if dependent else "fan"
    ends = _ends()
    started = time.perf_counter()
    connection.execute("select * from pgflow.run_flow(%s, %s::jsonb)", (flow, f"[{values}]"))
    ends.wait()
    return {"seconds": time.perf_counter() - started}


@cache
def _ends() -> Ends:
    """Listen from the first wait on, not before: every notification wakes all who listen."""
    return Ends(state["dsn"])


MOMENTS = "select s.output from pgflow.step_states s where s.run_id = %s order by s.step_slug"


def latency(samples: int, gap: float) -> dict[str, Any]:
    """Start one run of two steps at a time; the handlers say when they began and ended."""
    connection: Connection = state["connection"]
    starts: list[float] = []
    nexts: list[float] = []
    for _ in range(samples):
        time.sleep(gap)
        enqueued = time.monotonic_ns()
        row = connection.execute("select run_id from pgflow.run_flow('pair', '{}')").fetchone()
        assert row is not None
        first, second = _outputs(row[0])
        (begun, ended), (followed, _) = (_numbers(first), _numbers(second))
        starts.append((begun - enqueued) / 1e6)
        nexts.append((followed - ended) / 1e6)
    return {"start_ms": starts, "next_ms": nexts}


def _outputs(run_id: str) -> list[str]:
    """Return what the steps of a run said, when all have ended; no look at it comes while it is fast."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(0.02)
        rows = state["connection"].execute(MOMENTS, (run_id,)).fetchall()
        if all(output is not None for (output,) in rows):
            return [output for (output,) in rows]
    raise TimeoutError(f"run {run_id} has not ended in {PATIENCE:g} s")


def _numbers(text: str) -> tuple[int, int]:
    first, second = text.strip("[]").split(",")
    return int(first), int(second)


if __name__ == "__main__":
    psycopg_calls.watch()
    protocol.serve(
        {
            "install": pgflow_sql_driver.install,
            "connect": connect,
            "enqueue": enqueue,
            "drain": drain,
            "fan": fan,
            "latency": latency,
            "idle": protocol.rest,
        }
    )
