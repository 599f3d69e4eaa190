"""What coalescing is worth: `python -m benchmarks.completion_api [--rounds 5] [--tasks 4000]`.

32 clients report distinct tasks, each its next one when the last is answered: over HTTP to a server in a
process of its own, and straight to the server's batches, which leaves HTTP out.  Both ways in turn with
coalescing, and with one statement a report.  Prints reports a second, and the ratios within the rounds.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import psycopg
import uvicorn
from pgflow.api.app import completion_api
from pgflow.api.batches import Batches
from pgflow.api.tasks import LINGER
from pgflow.client.async_links import AsyncOwnLink
from pgflow.database.statements.tasks import MAX_REPORTS, report_step_tasks
from pgflow.embedded import EmbeddedServer
from pgflow_sql import migrate

from benchmarks.drivers import flows
from benchmarks.server import SETTINGS

CLIENTS = 32
PROCESSES = 2
CONNECTIONS = 2
"""To the database, as the API has by default."""
COALESCED = MAX_REPORTS
ALONE = 1

CLAIM = """
select run_id::text, step_slug, attempt_token::text from pgflow.claim_step_tasks('local', 'w', %s, 3600)
"""

Tasks = Sequence[tuple[str, str, str]]
"""Run, step and attempt token of each."""

spawn = multiprocessing.get_context("spawn")


def claim(dsn: str, count: int) -> Tasks:
    """Start runs of one step and claim their tasks, for an hour."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for start in range(0, count, 500):
            inputs = ["{}"] * min(500, count - start)
            connection.execute("select count(*) from pgflow.run_flows('single', %s::jsonb[])", (inputs,))
        rows: list[tuple[str, str, str]] = []
        while len(rows) < count:
            rows += connection.execute(CLAIM, (min(500, count - len(rows)),)).fetchall()
    return rows


def linger(most: int) -> float:
    """Return for how many seconds a report waits for company: not at all, where there is none to come."""
    return LINGER if most > ALONE else 0.0


def serve(dsn: str, listening: socket.socket, most: int) -> None:
    """Serve the completion API with at most so many reports a statement."""
    with patch("pgflow.api.tasks.LINGER", linger(most)):
        api = completion_api(dsn)
    config = uvicorn.Config(api, log_level="error", access_log=False, lifespan="on", ws="none")
    with patch("pgflow.api.batches.MAX_REPORTS", most):
        uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def serving(dsn: str, most: int) -> Iterator[int]:
    """Run a server in a process of its own; gives its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS) as listening:
        process = spawn.Process(target=serve, args=(dsn, listening, most))
        process.start()
        port: int = listening.getsockname()[1]
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def request(task: tuple[str, str, str]) -> bytes:
    """Return a whole request that completes a task."""
    run_id, step_slug, token = task
    body = json.dumps({"run_id": run_id, "step_slug": step_slug, "task_index": 0, "output": 1})
    head = f"POST /v1/tasks/complete HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


async def post(port: int, requests: Sequence[bytes]) -> None:
    """Send requests over one connection, each when the last is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for each in requests:
        writer.write(each)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
    writer.close()
    await writer.wait_closed()


def post_all(port: int, reported: Tasks, barrier: Any) -> None:
    """Be half of the clients, from the moment that all are ready."""

    async def together() -> None:
        requests = [request(task) for task in reported]
        share = CLIENTS // PROCESSES
        async with asyncio.TaskGroup() as group:
            barrier.wait()
            for client in range(share):
                group.create_task(post(port, requests[client::share]))

    asyncio.run(together())


def over_http(dsn: str, reported: Tasks, most: int) -> float:
    """Return reports a second of clients in processes of their own."""
    barrier = spawn.Barrier(PROCESSES + 1)
    with serving(dsn, most) as port:
        shares = [reported[number::PROCESSES] for number in range(PROCESSES)]
        clients = [spawn.Process(target=post_all, args=(port, share, barrier)) for share in shares]
        for client in clients:
            client.start()
        barrier.wait()
        started = time.perf_counter()
        for client in clients:
            client.join()
        seconds = time.perf_counter() - started
    if any(client.exitcode for client in clients):
        raise SystemExit("bench: a client failed")
    return len(reported) / seconds


async def _send(link: AsyncOwnLink, reports: str) -> list[str]:
    return await link.fetch(report_step_tasks(reports))


async def _submit_all(dsn: str, reported: Tasks, most: int) -> float:
    links = [AsyncOwnLink(dsn) for _ in range(CONNECTIONS)]
    senders: list[Callable[[str], Awaitable[list[str]]]] = [partial(_send, link) for link in links]
    for send in senders:
        await send("[]")
    served: Batches[str] = Batches(senders, linger(most))
    served.start()

    async def client(share: Tasks) -> None:
        for run_id, step_slug, token in share:
            told = {"run_id": run_id, "step_slug": step_slug, "task_index": 0, "attempt_token": token}
            status = await served.submit(json.dumps({**told, "outcome": "complete", "output": 1}))
            if status != "completed":
                raise RuntimeError(status)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(client(reported[number::CLIENTS]))
    seconds = time.perf_counter() - started
    await served.aclose()
    for link in links:
        await link.close()
    return len(reported) / seconds


def without_http(dsn: str, reported: Tasks, most: int) -> float:
    """Return reports a second of what stands behind the HTTP server, in this process."""
    with patch("pgflow.api.batches.MAX_REPORTS", most):
        return asyncio.run(_submit_all(dsn, reported, most))


WAYS: dict[str, Callable[[str, Tasks, int], float]] = {"over HTTP": over_http, "without HTTP": without_http}


def main() -> None:
    """Measure each way in turn, coalesced and not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=4000)
    chosen = parser.parse_args()
    rates: dict[tuple[str, int], list[float]] = {
        (way, most): [] for way in WAYS for most in (COALESCED, ALONE)
    }
    with EmbeddedServer.temporary(settings=SETTINGS) as server:
        dsn = server.dsn()
        with psycopg.connect(dsn, autocommit=True) as connection:
            migrate(connection)
            for definition in flows.definitions():
                connection.execute("select pgflow.define_flow(%s::jsonb)", (definition,))
        for _ in range(chosen.rounds):
            for (way, most), seen in rates.items():
                seen.append(WAYS[way](dsn, claim(dsn, chosen.tasks), most))
    print(f"{'reports a second':18}{'coalesced':>12}{'one each':>12}{'ratio':>8}")
    for way in WAYS:
        together, alone = rates[way, COALESCED], rates[way, ALONE]
        ratio = statistics.median(a / b for a, b in zip(together, alone, strict=True))
        print(f"{way:18}{statistics.median(together):12,.0f}{statistics.median(alone):12,.0f}{ratio:8.1f}")


if __name__ == "__main__":
    main()
