"""What the tests of the client and the dispatcher share: flows, workers, dispatchers, patience."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from pgflow import AsyncClient
from pgflow.database import fetch
from pgflow.database.statements.tasks import claim_step_tasks, complete_step_task, fail_step_task
from pgflow.dispatcher import Dispatcher
from pgflow.plugins import configure, load_plugins
from pgflow.runtime.call import run_handler
from pgflow.runtime.failures import failure_of
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ..dispatching import SECONDS, running, until

PROJECT = Path(__file__).parent / "project"

sys.path[:0] = [str(PROJECT), str(PROJECT.parents[1] / "chaos")]


@pytest.fixture
async def client(pgflow_database):
    """A client whose flow of one step is deployed."""
    from trial import single

    async with AsyncClient(pgflow_database) as client:
        await client.deploy(single)
        yield client


@pytest.fixture
def eventually():
    """Wait until a condition holds; fails the test after three minutes."""

    def wait(condition: Callable[[], object], seconds: float = SECONDS) -> object:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"never came true: {inspect.getsource(condition).strip()}"
            time.sleep(0.02)
        return found

    return wait


@pytest.fixture
def aeventually():
    return until


@dataclass
class Worker:
    """Runs tasks in a thread of this process, by the SQL functions alone."""

    dsn: str
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while not self.stop.is_set():
                if not self.work(connection):
                    self.stop.wait(0.02)

    @staticmethod
    def work(connection: psycopg.Connection) -> int:
        tasks = fetch(connection, claim_step_tasks("local", "test", 100))
        for task in tasks:
            key = (task.run_id, task.step_slug, task.task_index, task.attempt_token)
            try:
                output = run_handler(task.handler, task.params, task.input or "{}")
            except Exception as error:
                failure = failure_of(error)
                fetch(
                    connection,
                    fail_step_task(*key, json.dumps(failure.error), retryable=failure.retryable),
                )
            else:
                fetch(connection, complete_step_task(*key, output))
        return len(tasks)


@pytest.fixture
def worker(pgflow_database) -> Iterator[Worker]:
    """A worker thread on the test's database."""
    worker = Worker(pgflow_database)
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield worker
    worker.stop.set()
    thread.join(SECONDS)


@pytest.fixture
def lapse(pgflow_connection) -> Callable[[], None]:
    """End every lease there is, as if its time had come."""

    def end() -> None:
        for table in ("run_steps", "map_tasks"):
            pgflow_connection.execute(
                f"update pgflow.{table} set lease_expires_at = now() where lease_expires_at is not null"
            )
        pgflow_connection.execute("update pgflow.timers set due_at = now() where kind = 'lease'")
        pgflow_connection.execute("select pgflow.maintain()")

    return end


@pytest.fixture
def dispatching():
    """Serve a database from this process: `async with dispatching(dsn, lease=...) as dispatcher`."""

    def serve(
        dsn: str, executors=None, *, settings=None, **options
    ) -> AbstractAsyncContextManager[Dispatcher]:
        chosen = executors or [configure(load_plugins(), "local", "local", settings or {"processes": 1})]
        return running(Dispatcher(dsn, chosen, pythonpath=[PROJECT], **{"grace": 5.0, **options}))

    return serve


@dataclass
class Process:
    """A dispatcher in a process of its own, and what it logged."""

    popen: subprocess.Popen[str]
    log: Path

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def said(self, text: str) -> bool:
        return any(text in str(line["message"]) for line in self.lines())

    def was_robbed(self) -> bool:
        """Tell whether an attempt that it had was declared over by others."""
        return self.said("attempt is over") or self.said("report came too late")

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(SECONDS)

    def terminate(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(SECONDS)

    def workers(self) -> list[int]:
        """The processes that run handlers."""
        children = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children")
        return [int(pid) for pid in children.read_text().split()]


@pytest.fixture
def processes(tmp_path, eventually) -> Iterator[Callable[..., Process]]:
    """Start dispatchers as processes: `processes(dsn, lease=3.0, settings={"processes": 2})`."""
    started: list[Process] = []

    def start(dsn: str, *, lease: float = 30.0, grace: float = 5.0, settings=None) -> Process:
        log = tmp_path / f"dispatcher{len(started)}.log"
        given = {"processes": 1, "grace": 0.5, **(settings or {})}
        arguments = [dsn, str(lease), str(grace), json.dumps(given)]
        with log.open("w") as stderr:
            popen = subprocess.Popen(
                [sys.executable, str(PROJECT / "serve.py"), *arguments],
                stderr=stderr,
                text=True,
                env={key: value for key, value in os.environ.items() if not key.startswith("PGFLOW_")},
            )
        process = Process(popen, log)
        started.append(process)
        eventually(lambda: process.said("serves") or popen.poll() is not None)
        assert popen.poll() is None, log.read_text()
        return process

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.kill()


@pytest.fixture
def proxy(pgflow_database):
    """A proxy in front of the server, which the test may cut and slow down."""
    from chaoskit.proxy import Proxy

    parts = conninfo_to_dict(pgflow_database)
    if str(parts["host"]).startswith("/"):
        pytest.skip("the server of the tests is reached by a socket file")
    with Proxy((str(parts["host"]), int(parts["port"]))) as proxy:
        yield proxy


@pytest.fixture
def proxied(pgflow_database, proxy) -> str:
    """The test's database through the proxy."""
    return make_conninfo(pgflow_database, host="127.0.0.1", port=proxy.port)


@pytest.fixture
def pooled(pgflow_database, pgflow_pooler) -> str:
    """The test's database through PgBouncer with transaction pooling."""
    return pgflow_pooler.dsn(pgflow_database)


@pytest.fixture
async def remote(pgflow_database):
    """The code of attempts that are launched elsewhere."""
    from trial_executors import Remote

    remote = Remote(pgflow_database)
    yield remote
    async with asyncio.timeout(60):
        await asyncio.gather(*remote.running)


@pytest.fixture
def brisk(monkeypatch):
    """Look often after what was launched."""
    monkeypatch.setattr("pgflow.dispatcher.observer._INTERVAL", 0.1)
    monkeypatch.setattr("pgflow.dispatcher.observer._INTERVAL_IDLE", 0.1)
    monkeypatch.setattr("pgflow.dispatcher.watch._INTERVAL", 0.1)
    monkeypatch.setattr("pgflow.dispatcher.watch._INTERVAL_IDLE", 0.1)


@pytest.fixture
def hasten(pgflow_connection):
    """Let time pass for what was launched, and for what is seen to be over."""

    def launches() -> None:
        pgflow_connection.execute(
            "update pgflow.launches set look_at = clock_timestamp(), "
            "claimed_at = claimed_at - interval '10 minutes', over_since = over_since - interval '1 minute'"
        )

    return launches
