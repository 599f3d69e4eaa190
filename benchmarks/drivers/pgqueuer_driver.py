"""pgqueuer: two queue managers in one process, 100 jobs a dequeue, asyncpg, uvloop.

Chains are what its users write: each handler enqueues the next job, on its manager's connection (a pool and a
connection of its own for the enqueues were tried: 0.75 and 0.65 of this speed).
"""

import asyncio
import time
from datetime import timedelta
from typing import Any

import asyncpg
import uvloop
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job
from pgqueuer.queries import Queries

from benchmarks.drivers import calls, protocol, shapes

MANAGERS = 2
CHAIN = ("first", "second", "third")
FIRST = {"chain": CHAIN[0]}
JOBS = {"single": 1, "chain": len(CHAIN), "long_chain": shapes.CHAINED}

runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
dsn = ""


def install(dsn: str) -> dict[str, Any]:
    """Create pgqueuer's schema."""

    async def work() -> None:
        connection = await asyncpg.connect(dsn)
        await Queries(AsyncpgDriver(connection)).install()
        await connection.close()

    runner.run(work())
    return {}


def connect(dsn: str) -> dict[str, Any]:
    """Remember the database; each operation opens its own connections, outside the time it measures."""
    globals()["dsn"] = dsn
    return {}


def enqueue(flow: str, count: int, batch: int, delay: float = 0) -> dict[str, Any]:
    """Enqueue `count` first jobs, `batch` a call, `delay` seconds before they are due."""
    after = timedelta(seconds=delay)
    entrypoint = FIRST.get(flow, flow)
    payload = str(shapes.CHAINED).encode() if flow == "long_chain" else b"{}"

    async def work() -> float:
        connection = await asyncpg.connect(dsn)
        queries = Queries(AsyncpgDriver(connection))
        started = time.perf_counter()
        for done in range(0, count, batch):
            size = min(batch, count - done)
            if size == 1:
                await queries.enqueue(entrypoint, payload, 0, after)
            else:
                await queries.enqueue([entrypoint] * size, [payload] * size, [0] * size, [after] * size)
        seconds = time.perf_counter() - started
        await connection.close()
        return seconds

    return {"seconds": runner.run(work())}


class Ending:
    """Knows when every job is logged as done, and the managers that shall stop then."""

    def __init__(self, jobs: int) -> None:
        self.left = jobs
        self.managers: list[QueueManager] = []
        self.ended = 0.0

    def watch(self, queries: Queries) -> None:
        """Count the jobs that these queries log."""
        log_jobs = queries.log_jobs

        async def counted(job_status: list[Any]) -> None:
            await log_jobs(job_status)
            self.left -= len(job_status)
            if self.left <= 0:
                self.ended = time.perf_counter()
                for manager in self.managers:
                    manager.shutdown.set()

        queries.log_jobs = counted


def register(manager: QueueManager, producer: Queries) -> None:
    """Give a manager the handlers of the single job and of the chain."""

    @manager.entrypoint("single")
    async def single(job: Job) -> None:
        pass

    @manager.entrypoint("long_chain")
    async def long_chain(job: Job) -> None:
        left = int(job.payload or b"0") - 1
        if left:
            await producer.enqueue("long_chain", str(left).encode(), 0)

    for name, follower in zip(CHAIN, (*CHAIN[1:], None), strict=True):

        async def link(job: Job, follower: str | None = follower) -> None:
            if follower is not None:
                await producer.enqueue(follower, b"{}", 0)

        manager.entrypoint(name, accepts_context=False)(link)


def drain(flow: str, count: int, batch: int = 100) -> dict[str, Any]:
    """Run every job; the clock stops when the last is logged as done."""

    async def work() -> float:
        ending = Ending(count * JOBS[flow])
        connections = [await asyncpg.connect(dsn) for _ in range(MANAGERS)]
        for connection in connections:
            queries = Queries(AsyncpgDriver(connection))
            ending.watch(queries)
            manager = QueueManager(queries)
            register(manager, queries)
            ending.managers.append(manager)
        started = time.perf_counter()
        await asyncio.gather(*(manager.run(batch_size=batch) for manager in ending.managers))
        for connection in connections:
            await connection.close()
        return ending.ended - started

    return {"seconds": runner.run(work())}


def latency(samples: int, gap: float) -> dict[str, Any]:
    """Enqueue one chain at a time on an idle worker; milliseconds to a start, and from an end to a start."""
    starts: list[float] = []
    nexts: list[float] = []

    async def work() -> None:
        producer = Queries(AsyncpgDriver(await asyncpg.connect(dsn)))
        manager = QueueManager(Queries(AsyncpgDriver(await asyncpg.connect(dsn))))
        moments: dict[str, float] = {}
        finished = asyncio.Event()

        @manager.entrypoint("first", accepts_context=False)
        async def first(job: Job) -> None:
            starts.append(time.perf_counter() - moments["enqueued"])
            moments["ended"] = time.perf_counter()
            await producer.enqueue("second", b"{}", 0)

        @manager.entrypoint("second", accepts_context=False)
        async def second(job: Job) -> None:
            nexts.append(time.perf_counter() - moments["ended"])
            finished.set()

        async def ask() -> None:
            await asyncio.sleep(1)
            for _ in range(samples):
                await asyncio.sleep(gap)
                finished.clear()
                moments["enqueued"] = time.perf_counter()
                await producer.enqueue("first", b"{}", 0)
                await finished.wait()
            manager.shutdown.set()

        await asyncio.gather(manager.run(batch_size=10, dequeue_timeout=timedelta(seconds=30)), ask())

    runner.run(work())
    return {"start_ms": [value * 1e3 for value in starts], "next_ms": [value * 1e3 for value in nexts]}


def idle(settling: float, seconds: float) -> dict[str, Any]:
    """Let one manager wait for jobs, as in `latency`."""

    async def work() -> dict[str, Any]:
        connection = await asyncpg.connect(dsn)
        manager = QueueManager(Queries(AsyncpgDriver(connection)))
        register(manager, manager.queries)
        running = asyncio.create_task(manager.run(batch_size=10, dequeue_timeout=timedelta(seconds=30)))
        spent = await asyncio.to_thread(protocol.rest, settling, seconds)
        manager.shutdown.set()
        await running
        await connection.close()
        return spent

    return runner.run(work())


if __name__ == "__main__":
    calls.watch(asyncpg.Connection, "execute", "executemany", "fetch", "fetchrow", "fetchval")
    protocol.serve(
        {
            "install": install,
            "connect": connect,
            "enqueue": enqueue,
            "drain": drain,
            "latency": latency,
            "idle": idle,
        }
    )
