"""A real server of the completion API over a real database, and tasks that workers hold."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import uvicorn
from pgflow.api.app import completion_api
from pgflow.api.settings import ApiSettings
from pgflow.embedded import BinariesMissing
from pgflow.envelope import Envelope, ReportTarget
from pgflow.http.patience import Impatient
from pgflow.runtime import Outcome, run_envelope
from pgflow_testing.postgrest import find_postgrest, start_postgrest
from psycopg import sql
from psycopg.conninfo import make_conninfo

PROJECT = Path(__file__).parent / "project"
SECONDS = 120.0

sys.path.insert(0, str(PROJECT))


@dataclass(frozen=True)
class Held:
    """A claimed task, as a worker knows it."""

    run_id: str
    step_slug: str
    task_index: int
    token: str = field(repr=False)

    @property
    def address(self):
        return {"run_id": self.run_id, "step_slug": self.step_slug, "task_index": self.task_index}

    @property
    def bearer(self):
        return {"Authorization": f"Bearer {self.token}"}


class Api:
    """A client of a running server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS, trust_env=False)

    def post(self, verb: str, held: Held, **fields: object) -> httpx.Response:
        return self.http.post(f"/v1/tasks/{verb}", json={**held.address, **fields}, headers=held.bearer)

    def claim(self, key: str, *, executor: str = "local", **fields: object) -> httpx.Response:
        body = {"executor": executor, "worker_id": "w", **fields}
        return self.http.post("/v1/tasks/claim", json=body, headers={"Authorization": f"Bearer {key}"})

    def send(self, verb: str, held: Held, body: bytes | str) -> httpx.Response:
        return self.http.post(f"/v1/tasks/{verb}", content=body, headers=held.bearer)


class Server(uvicorn.Server):
    """uvicorn in a thread; the socket is bound before, so that its port is known."""

    def __init__(self, app: object, port: int = 0) -> None:
        super().__init__(uvicorn.Config(app, http=Impatient, log_level="warning", lifespan="on"))
        self.socket = socket.create_server(("127.0.0.1", port), backlog=2048)
        self.port = self.socket.getsockname()[1]
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, kwargs={"sockets": [self.socket]})

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        self.ready.set()

    def __enter__(self) -> Server:
        self.thread.start()
        assert self.ready.wait(SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self.should_exit = True
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()


@pytest.fixture
def serve(pgflow_database):
    """Start a server: `serve(max_body=2048)` returns a client of it."""
    running: list[tuple[Server, Api]] = []

    def start(port: int = 0, **settings: object) -> Api:
        server = Server(completion_api(pgflow_database, ApiSettings(**settings)), port)
        server.__enter__()
        api = Api(server.port)
        running.append((server, api))
        return api

    yield start
    for server, api in running:
        api.http.close()
        server.__exit__()


@pytest.fixture
def api(serve):
    """A server with the settings as they come."""
    return serve()


@pytest.fixture
def held(pgflow_connection, start):
    """Start runs of a one-step flow and claim their tasks: `held(2, mode="start")`."""

    def hold(count: int = 1, *, mode: str = "launch", **options: object) -> list[Held]:
        start(count, **options)
        rows = pgflow_connection.execute(
            "select * from pgflow.claim_step_tasks('local', 'w', %s, 60, %s)", [count, mode]
        ).fetchall()
        return [
            Held(str(row["run_id"]), row["step_slug"], row["task_index"], str(row["attempt_token"]))
            for row in rows
        ]

    return hold


@pytest.fixture
def key(pgflow_connection):
    """A worker key for executor `local`, of all flows."""
    row = pgflow_connection.execute(
        "select key from pgflow.create_worker_key('test', array['local'])"
    ).fetchone()
    return row["key"]


@pytest.fixture
def start(pgflow_connection):
    """Start runs of a one-step flow: `start(2, max_attempts=1)` returns their ids."""

    def run(count: int = 1, **options: object) -> list[str]:
        slug = f"flow_{uuid.uuid4().hex[:8]}"
        step = {"step_slug": "work", "step_type": "single", "deps": [], "handler": "m:f"}
        step |= {"needs_run_input": True, "options": options}
        definition = json.dumps({"flow_slug": slug, "steps": [step]})
        pgflow_connection.execute("select pgflow.define_flow(%s)", [definition])
        inputs = [json.dumps({"n": n}) for n in range(count)]
        rows = pgflow_connection.execute(
            "select run_id from pgflow.run_flows(%s, %s::jsonb[])", [slug, inputs]
        )
        return [str(row["run_id"]) for row in rows]

    return run


@pytest.fixture
def output(pgflow_connection):
    """Read what is stored of a task: `output(held)` returns (status, output as JSON text, error)."""

    def read(task: Held):
        row = pgflow_connection.execute(
            "select status, output::text, error from pgflow.step_tasks "
            "where run_id = %s and step_slug = %s and task_index = %s",
            [task.run_id, task.step_slug, task.task_index],
        ).fetchone()
        return row["status"], row["output"], row["error"]

    return read


@dataclass(frozen=True)
class Task:
    """Where a launched attempt stands in the database."""

    status: str
    output: object
    error: dict | None
    attempt: int
    failures: int


@dataclass
class Remote:
    """Launches attempts of `remote_deeds` and sees what becomes of them."""

    connection: object
    url: str
    folder: Path
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def trace(self) -> Path:
        return self.folder / "trace"

    def launched(self, handler: str, value: dict | None = None, **options: object) -> Envelope:
        """Start a run of one step and claim its task for a launch."""
        slug = f"flow_{uuid.uuid4().hex[:8]}"
        step = {"step_slug": "work", "step_type": "single", "deps": [], "handler": f"remote_deeds:{handler}"}
        step |= {"needs_run_input": True, "options": {"base_delay": 0, "jitter": 0, **options}}
        define = json.dumps({"flow_slug": slug, "steps": [step]})
        self.connection.execute("select pgflow.define_flow(%s)", [define])
        value = {"trace": str(self.trace), **(value or {})}
        self.connection.execute("select pgflow.run_flow(%s, %s)", [slug, json.dumps(value)])
        return self.claimed()

    def claimed(self) -> Envelope:
        """Claim the next attempt; waits until there is one."""
        return self.until(self._claim)

    def _claim(self) -> Envelope | None:
        claim = "select * from pgflow.claim_step_tasks('local', 'w', 1, 30, 'launch', 'none')"
        row = self.connection.execute(claim).fetchone()
        return row and Envelope(
            **{name: row[name] for name in ("run_id", "flow_slug", "flow_version", "step_slug", "step_type")},
            **{name: row[name] for name in ("task_index", "attempt", "attempt_token", "handler")},
            **{name: row[name] for name in ("timeout_seconds", "heartbeat_timeout_seconds")},
            **{name: row[name] for name in ("max_attempts", "failures")},
            params=None if row["params"] is None else json.dumps(row["params"]),
            launch_deadline=row["lease_expires_at"],
            report=ReportTarget("http", self.url),
        )

    def after(self, envelope: Envelope) -> Envelope | None:
        """Claim the attempt after one that died, its lease or launch deadline over; None if it completed.

        What a dead process had sent may still take effect, at any moment.
        """
        found = self.until(lambda: self.task(envelope).status == "completed" or self._claim_later(envelope))
        return None if found is True else found

    def next_attempt(self, envelope: Envelope) -> Envelope:
        """Claim the attempt after one that died."""
        return self.until(lambda: self._claim_later(envelope))

    def _claim_later(self, envelope: Envelope) -> Envelope | None:
        """Let the lease, the launch deadline or the back-off run out, and claim what there is then."""
        query = "select coalesce(lease_expires_at, visible_at) + interval '1 second' as later "
        query += "from pgflow.step_tasks where run_id = %s"
        later = self.connection.execute(query, [envelope.run_id]).fetchone()["later"]
        set_clock = "select set_config('pgflow.fake_now', %s, false)"
        self.connection.execute(set_clock, [later.isoformat() if later else ""])
        try:
            return self._claim()
        finally:
            self.connection.execute(set_clock, [""])

    def run(self, envelope: Envelope, **how: object) -> Outcome:
        """Run it in this process."""
        return run_envelope(envelope, **{"instance_id": uuid.uuid4().hex, "handlers": ["*"], **how})

    def process(self, envelope: Envelope, **environment: str) -> subprocess.Popen:
        """Run it in a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PGFLOW_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "pgflow.runtime"],
            cwd=PROJECT,
            env={**kept, "PGFLOW_ENVELOPE": envelope.to_json(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def task(self, envelope: Envelope) -> Task:
        row = self.connection.execute(
            "select status, output, error, attempt, failures from pgflow.step_tasks where run_id = %s",
            [envelope.run_id],
        ).fetchone()
        return Task(**row)

    def attempts(self, envelope: Envelope) -> list[dict]:
        """The ended attempts that did not complete, in order."""
        query = "select * from pgflow.step_task_attempts where run_id = %s order by attempt"
        return self.connection.execute(query, [envelope.run_id]).fetchall()

    def noted(self) -> list[str]:
        """What the handlers wrote into the trace."""
        return self.trace.read_text(encoding="utf-8").splitlines() if self.trace.exists() else []

    def until(self, condition: Callable[[], object], seconds: float = 180) -> object:
        """Wait until a condition holds."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "the condition did not come to hold"
            time.sleep(0.02)
        return found


@pytest.fixture
def remote(api, pgflow_connection, tmp_path):
    """Attempts that run elsewhere and report to the API."""
    lent = Remote(pgflow_connection, f"http://127.0.0.1:{api.port}", tmp_path)
    yield lent
    for process in lent.processes:
        process.kill()
        process.communicate()


@pytest.fixture
def front(remote):
    """A front of the API with faults; what `remote` launches from now on reports to it."""
    from remote_faults import Front

    front = Front(remote.url)
    remote.url = front.url
    yield front
    front.close()


@pytest.fixture
def postgrest(pgflow_connection, pgflow_database):
    """PostgREST as a login without rights of its own, which may become a worker, a viewer or a client."""
    try:
        program = find_postgrest()
    except BinariesMissing as error:
        pytest.skip(str(error))
    nobody, login = (f"{kind}_{uuid.uuid4().hex[:8]}" for kind in ("nobody", "gate"))
    names = {"nobody": sql.Identifier(nobody), "login": sql.Identifier(login)}
    pgflow_connection.execute(sql.SQL("create role {nobody}").format(**names))
    pgflow_connection.execute(sql.SQL("create role {login} login noinherit password 'pw'").format(**names))
    pgflow_connection.execute(
        sql.SQL("grant pgflow_worker, pgflow_viewer, pgflow_client, pgflow_user, {nobody} to {login}").format(
            **names
        )
    )
    running = start_postgrest(program, make_conninfo(pgflow_database, user=login, password="pw"), nobody)
    yield running
    running.stop()
    pgflow_connection.execute(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = %s", [login]
    )
    pgflow_connection.execute(sql.SQL("drop role {login}, {nobody}").format(**names))
