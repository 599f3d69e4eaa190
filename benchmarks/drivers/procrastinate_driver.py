"""procrastinate: one async worker, 20 jobs at a time, a pool of 10 connections, uvloop."""

import asyncio
import time
from typing import Any

import uvloop
from procrastinate import App, PsycopgConnector
from procrastinate.manager import JobManager

from benchmarks.drivers import protocol, psycopg_calls

CONCURRENCY = 20
POOL = 10

runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
apps: list[App] = []


def build(dsn: str) -> App:
    """Return an app with the single task and the chain."""
    app = App(connector=PsycopgConnector(conninfo=dsn, min_size=POOL, max_size=POOL))

    @app.task(name="single")
    async def single() -> None:
        pass

    @app.task(name="third")
    async def third() -> None:
        pass

    @app.task(name="second")
    async def second() -> None:
        await third.defer_async()

    @app.task(name="first")
    async def first() -> None:
        await second.defer_async()

    return app


def install(dsn: str) -> dict[str, Any]:
    """Create procrastinate's schema."""

    async def work() -> None:
        app = build(dsn)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    runner.run(work())
    return {}


def connect(dsn: str) -> dict[str, Any]:
    """Build the app."""
    apps[:] = [build(dsn)]
    return {}


def enqueue(flow: str, count: int, batch: int) -> dict[str, Any]:
    """Defer `count` first jobs, `batch` a call."""

    app = apps[0]

    async def work() -> float:
        async with app.open_async():
            task = app.tasks["first" if flow == "chain" else "single"]
            started = time.perf_counter()
            for done in range(0, count, batch):
                size = min(batch, count - done)
                if size == 1:
                    await task.defer_async()
                else:
                    await task.batch_defer_async(*({} for _ in range(size)))
            return time.perf_counter() - started

    return {"seconds": runner.run(work())}


def drain(flow: str, count: int) -> dict[str, Any]:
    """Run every job; the clock stops when the last is finished in the database."""
    app = apps[0]
    left = count * (3 if flow == "chain" else 1)

    async def work() -> float:
        finish = JobManager.finish_job
        finished = asyncio.Event()
        ended = 0.0

        async def counted(self: JobManager, *args: Any, **kwargs: Any) -> None:
            nonlocal left, ended
            await finish(self, *args, **kwargs)
            left -= 1
            if left == 0:
                ended = time.perf_counter()
                finished.set()

        JobManager.finish_job = counted
        async with app.open_async():
            started = time.perf_counter()
            worker = asyncio.create_task(
                app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False)
            )
            await finished.wait()
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
        JobManager.finish_job = finish
        return ended - started

    return {"seconds": runner.run(work())}


def latency(samples: int, gap: float) -> dict[str, Any]:
    """Defer one chain at a time on an idle worker; milliseconds to a start, and from an end to a start."""
    app = apps[0]
    starts: list[float] = []
    nexts: list[float] = []
    moments: dict[str, float] = {}

    async def work() -> None:
        finished = asyncio.Event()

        @app.task(name="after")
        async def after() -> None:
            nexts.append(time.perf_counter() - moments["ended"])
            finished.set()

        @app.task(name="before")
        async def before() -> None:
            starts.append(time.perf_counter() - moments["enqueued"])
            moments["ended"] = time.perf_counter()
            await after.defer_async()

        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False)
            )
            await asyncio.sleep(1)
            for _ in range(samples):
                await asyncio.sleep(gap)
                finished.clear()
                moments["enqueued"] = time.perf_counter()
                await before.defer_async()
                await finished.wait()
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    runner.run(work())
    return {"start_ms": [value * 1e3 for value in starts], "next_ms": [value * 1e3 for value in nexts]}


def idle(settling: float, seconds: float) -> dict[str, Any]:
    """Let the worker wait for jobs."""
    app = apps[0]

    async def work() -> dict[str, Any]:
        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False)
            )
            spent = await asyncio.to_thread(protocol.rest, settling, seconds)
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
        return spent

    return runner.run(work())


if __name__ == "__main__":
    psycopg_calls.watch()
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
