"""What coalescing is worth: `python -m benchmarks.completion_api [--rounds 9] [--tasks 1000]`.

32 clients report distinct tasks to the completion API over HTTP, each its next one when the last is answered.
The services compared run side by side for the whole time, on one durable server (fsync and synchronous_commit
on), and take turns every `--tasks` reports, so that whatever else the machine does hits all of them:

- coalesced: the API as it comes, reports on two connections;
- one each: the same, but a statement takes one report only; on two connections as well;
- one each, 32: the same on a connection for each client, where PostgreSQL may join commits.

A service is a process of its own.  The clients are 32 sockets in one other process that does next to nothing,
so that they take little from the cores that the service and PostgreSQL share.  Prints reports a second
(medians), and the median of the ratios within the rounds.
"""

import argparse
import json
import multiprocessing
import selectors
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple
from unittest.mock import patch

import psycopg
import uvicorn
from pgflow.api.app import completion_api
from pgflow.api.settings import ApiSettings
from pgflow.database.statements.tasks import MAX_REPORTS
from pgflow.embedded import EmbeddedServer
from pgflow.http.address import bound_socket
from pgflow.http.patience import Impatient
from pgflow_sql import migrate

from benchmarks.drivers import flows
from benchmarks.server import SETTINGS

CLIENTS = 32
FIRST = 100
"""Requests that open a service's connections and prepare its statements; not counted."""


class Service(NamedTuple):
    """A way to serve reports."""

    reports: int
    """Of one statement, at most."""
    connections: int


SERVICES = {
    "coalesced": Service(MAX_REPORTS, 2),
    "one each": Service(1, 2),
    "one each, 32": Service(1, CLIENTS),
}

CLAIM = """
select run_id::text, step_slug, attempt_token::text from pgflow.claim_step_tasks('local', 'w', %s, 3600)
"""

spawn = multiprocessing.get_context("spawn")


def claim(dsn: str, count: int) -> list[bytes]:
    """Start runs of one step and claim their tasks for an hour; return the request that completes each."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for start in range(0, count, 500):
            inputs = ["{}"] * min(500, count - start)
            connection.execute("select count(*) from pgflow.run_flows('single', %s::jsonb[])", (inputs,))
        rows: list[tuple[str, str, str]] = []
        while len(rows) < count:
            rows += connection.execute(CLAIM, (min(500, count - len(rows)),)).fetchall()
    return [request(*row) for row in rows]


def request(run_id: str, step_slug: str, token: str) -> bytes:
    """Return a whole request that completes a task."""
    body = json.dumps({"run_id": run_id, "step_slug": step_slug, "task_index": 0, "output": 1})
    head = f"POST /v1/tasks/complete HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def serve(dsn: str, listening: socket.socket, service: Service) -> None:
    """Serve the completion API as `pgflow serve` does."""
    api = completion_api(dsn, ApiSettings(connections=service.connections))
    config = uvicorn.Config(
        api,
        http=Impatient,
        log_level="error",
        access_log=False,
        lifespan="on",
        ws="none",
        proxy_headers=False,
    )
    with patch("pgflow.api.batches.MAX_REPORTS", service.reports):
        uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def serving(dsn: str, service: Service) -> Iterator[int]:
    """Run a service in a process of its own; gives its port."""
    with bound_socket("127.0.0.1:0") as listening:
        process = spawn.Process(target=serve, args=(dsn, listening, service))
        process.start()
        port: int = listening.getsockname()[1]
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def post(port: int, requests: Sequence[bytes]) -> float:
    """Send requests over 32 connections, each its next one when the last is answered; return seconds."""
    waiting = iter(requests)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(CLIENTS)]
        answers = [bytearray() for _ in clients]
        started = time.perf_counter()
        for number, client in enumerate(clients):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(client, selectors.EVENT_READ, number)
            client.sendall(next(waiting))
        answered = 0
        while answered < len(requests):
            for key, _ in selector.select():
                client, answer = clients[key.data], answers[key.data]
                answer.extend(client.recv(65536))
                if b"}" not in answer:
                    continue
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise SystemExit(f"bench: {answer.decode()}")
                answer.clear()
                answered += 1
                if following := next(waiting, None):
                    client.sendall(following)
        return time.perf_counter() - started


def main() -> None:
    """Measure all services in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tasks", type=int, default=1000)
    chosen = parser.parse_args()
    rates: dict[str, list[float]] = {name: [] for name in SERVICES}
    with EmbeddedServer.temporary(settings=SETTINGS) as server, ExitStack() as stack:
        dsn = server.dsn()
        with psycopg.connect(dsn, autocommit=True) as connection:
            migrate(connection)
            for definition in flows.definitions():
                connection.execute("select pgflow.define_flow(%s::jsonb)", (definition,))
        ports = {name: stack.enter_context(serving(dsn, service)) for name, service in SERVICES.items()}
        for port in ports.values():
            post(port, claim(dsn, FIRST))
        for _ in range(chosen.rounds):
            for name, seen in rates.items():
                seen.append(chosen.tasks / post(ports[name], claim(dsn, chosen.tasks)))
    print(f"{'':14}{'reports a second':>18}{'coalesced is':>14}")
    for name, seen in rates.items():
        pairs = zip(rates["coalesced"], seen, strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        print(f"{name:14}{statistics.median(seen):18,.0f}{ratio:13.1f}x")


if __name__ == "__main__":
    main()
