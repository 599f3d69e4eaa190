"""The real completion API on a port of this machine, and a record of what it answered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pgflow.executor import Attempt

__all__ = ["Answers", "serve_api"]

_SECONDS = 30.0


@dataclass
class Answers:
    """What the API answered, by attempt."""

    url: str
    _given: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]], repr=False)

    def to(self, attempt: Attempt) -> list[tuple[str, int]]:
        """Return (verb, status) for each request that came with the attempt's token."""
        return [(verb, status) for token, verb, status in self._given if token == str(attempt.attempt_token)]

    def note(self, token: str, path: str, status: int) -> None:
        """Keep one answer."""
        self._given.append((token, path.rpartition("/")[2], status))


@contextmanager
def serve_api(dsn: str) -> Generator[Answers]:
    """Serve the completion API in a thread."""
    try:
        import uvicorn
        from pgflow.api.app import completion_api
    except ImportError as error:
        pytest.fail(f"{error}: `pip install 'pgflow-core[http]'`, which the kit serves reports with")
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    answers = Answers(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    app = _Recorded(completion_api(dsn), answers)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="completion API")
    thread.start()
    try:
        if not app.ready.wait(_SECONDS):
            pytest.fail("the completion API did not start")
        yield answers
    finally:
        server.should_exit = True
        thread.join(_SECONDS)


class _Recorded:
    def __init__(self, app: Any, answers: Answers) -> None:
        self.ready = threading.Event()
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        token = headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ")

        async def noting(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                self.ready.set()
            await send(message)
            if message["type"] == "http.response.start":
                self._answers.note(token, scope["path"], message["status"])

        await self._app(scope, receive, noting)
