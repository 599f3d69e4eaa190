"""absurd: four sync clients in threads, 50 tasks a claim; a step is a checkpoint of its task.

The map is what its API offers: one checkpoint an item, one after the other, then the reduce. So are the flows
of many steps: a task makes one checkpoint after the other, whatever their shape, and none for what it skips.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from absurd_sdk import Absurd, TaskContext
from absurdctl import BUNDLED_SCHEMA_SQL

from benchmarks.drivers import protocol, psycopg_calls, shapes

CLIENTS = 4
BATCH = 50
POLL_SECONDS = 0.01

dsn = ""


def install(dsn: str) -> dict[str, Any]:
    """Create absurd's schema and its queue."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(BUNDLED_SCHEMA_SQL)
        Absurd(connection).create_queue()
    return {}


def connect(dsn: str) -> dict[str, Any]:
    """Remember the database; each operation opens its own connections, outside the time it measures."""
    globals()["dsn"] = dsn
    return {}


def register(client: Absurd, ended: Callable[[], None]) -> None:
    """Give a client the handlers of the single task, the chain and the map."""

    @client.register_task("single")
    def single(params: Any, context: TaskContext) -> Any:
        ended()
        return None

    @client.register_task("chain")
    def chain(params: Any, context: TaskContext) -> Any:
        for name in ("first", "second", "third"):
            context.step(name, lambda: 1)
        ended()
        return 1

    for flow, steps in shapes.STEPS_OF.items():

        @client.register_task(flow)
        def many(params: Any, context: TaskContext, steps: int = steps) -> Any:
            for place in range(steps):
                context.step(f"step_{place}", lambda: 1)
            ended()
            return 1

    @client.register_task("fan")
    def fan(params: Any, context: TaskContext) -> Any:
        values = [context.step(f"item_{index}", lambda item=item: item) for index, item in enumerate(params)]
        total = context.step("reduce", lambda: len(values))
        ended()
        return total


def enqueue(flow: str, count: int, batch: int) -> dict[str, Any]:
    """Spawn `count` tasks one by one: absurd has no batch form, `batch` is not used."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        client = Absurd(connection)
        register(client, lambda: None)
        started = time.perf_counter()
        for _ in range(count):
            client.spawn(flow, {})
        return {"seconds": time.perf_counter() - started}


def work(tasks: int, clients: int, batch: int, connections: list[psycopg.Connection[Any]]) -> float:
    """Run `tasks` tasks to their end and return the seconds it took."""
    left = threading.Semaphore(0)
    workers: list[Absurd] = []
    for connection in connections[:clients]:
        client = Absurd(connection)
        register(client, left.release)
        workers.append(client)
    threads = [
        threading.Thread(
            target=client.start_worker,
            kwargs={"worker_id": f"w{number}", "batch_size": batch, "poll_interval": POLL_SECONDS},
        )
        for number, client in enumerate(workers)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for _ in range(tasks):
        left.acquire()
    for client in workers:
        client.stop_worker()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def drain(flow: str, count: int) -> dict[str, Any]:
    """Run every task; the clock stops when the last worker's batch is completed in the database."""
    connections = [psycopg.connect(dsn, autocommit=True) for _ in range(CLIENTS)]
    seconds = work(count, CLIENTS, BATCH, connections)
    for connection in connections:
        connection.close()
    return {"seconds": seconds}


def fan(items: int, payload: int, dependent: bool) -> dict[str, Any]:
    """Run one map task of `items` items of about `payload` bytes, from its spawn to its end."""
    values = ["x" * payload if payload else index for index in range(items)]
    with psycopg.connect(dsn, autocommit=True) as connection:
        client = Absurd(connection)
        register(client, lambda: None)
        started = time.perf_counter()
        client.spawn("fan", values)
        spawned = time.perf_counter() - started
        return {"seconds": spawned + work(1, 1, 1, [connection])}


def latency(samples: int, gap: float) -> dict[str, Any]:
    """Spawn one chain at a time on an idle worker; its next step starts in the same process."""
    starts: list[float] = []
    nexts: list[float] = []
    moments: dict[str, float] = {}
    finished = threading.Event()
    connection = psycopg.connect(dsn, autocommit=True)
    worker = Absurd(connection)

    @worker.register_task("pair")
    def pair(params: Any, context: TaskContext) -> Any:
        starts.append(time.perf_counter() - moments["enqueued"])
        context.step("one", lambda: moments.update(ended=time.perf_counter()))
        context.step("two", lambda: nexts.append(time.perf_counter() - moments["ended"]))
        finished.set()
        return None

    thread = threading.Thread(target=worker.start_worker, kwargs={"poll_interval": POLL_SECONDS})
    thread.start()
    with psycopg.connect(dsn, autocommit=True) as asking:
        client = Absurd(asking)
        client.register_task("pair")(pair)
        for _ in range(samples):
            time.sleep(gap)
            finished.clear()
            moments["enqueued"] = time.perf_counter()
            client.spawn("pair", {})
            finished.wait()
    worker.stop_worker()
    thread.join()
    connection.close()
    return {"start_ms": [value * 1e3 for value in starts], "next_ms": [value * 1e3 for value in nexts]}


def idle(settling: float, seconds: float) -> dict[str, Any]:
    """Let one worker poll, as in `latency`."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        worker = Absurd(connection)
        register(worker, lambda: None)
        thread = threading.Thread(target=worker.start_worker, kwargs={"poll_interval": POLL_SECONDS})
        thread.start()
        spent = protocol.rest(settling, seconds)
        worker.stop_worker()
        thread.join()
    return spent


if __name__ == "__main__":
    psycopg_calls.watch()
    protocol.serve(
        {
            "install": install,
            "connect": connect,
            "enqueue": enqueue,
            "drain": drain,
            "fan": fan,
            "latency": latency,
            "idle": idle,
        }
    )
