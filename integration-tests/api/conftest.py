"""A real server of the completion API over a real database, and tasks that workers hold."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn
from pgflow.api.app import completion_api
from pgflow.api.settings import ApiSettings

SECONDS = 30.0


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

    def send(self, verb: str, held: Held, body: bytes | str) -> httpx.Response:
        return self.http.post(f"/v1/tasks/{verb}", content=body, headers=held.bearer)


class Server(uvicorn.Server):
    """uvicorn in a thread; the socket is bound before, so that its port is known."""

    def __init__(self, app: object) -> None:
        super().__init__(uvicorn.Config(app, log_level="warning", lifespan="on"))
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=2048)
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

    def start(**settings: object) -> Api:
        server = Server(completion_api(pgflow_database, ApiSettings(**settings)))
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
def held(pgflow_connection):
    """Start runs of a one-step flow and claim their tasks: `held(2, mode="start")`."""

    def hold(count: int = 1, *, mode: str = "launch", **options: object) -> list[Held]:
        slug = f"flow_{uuid.uuid4().hex[:8]}"
        step = {"step_slug": "work", "step_type": "single", "deps": [], "handler": "m:f"}
        step |= {"needs_run_input": True, "options": options}
        definition = json.dumps({"flow_slug": slug, "steps": [step]})
        pgflow_connection.execute("select pgflow.define_flow(%s)", [definition])
        inputs = [json.dumps({"n": n}) for n in range(count)]
        pgflow_connection.execute("select pgflow.run_flows(%s, %s::jsonb[])", [slug, inputs])
        rows = pgflow_connection.execute(
            "select * from pgflow.claim_step_tasks('local', 'w', %s, 60, %s)", [count, mode]
        ).fetchall()
        return [
            Held(str(row["run_id"]), row["step_slug"], row["task_index"], str(row["attempt_token"]))
            for row in rows
        ]

    return hold


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
