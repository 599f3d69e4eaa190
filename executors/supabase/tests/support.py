"""A real server that answers as a test says, and attempts to launch."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pgflow.envelope import ReportTarget
from pgflow.executor import Attempt

SECRET = "a signing secret of the tests"
KEY = "sb_secret_canary"
TOKEN = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
REPORT_TO = ReportTarget("http", "https://flows.example.com")


@dataclass
class Asked:
    """A request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


def response(status: int, body: object = None, **headers: str) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(text)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


def accept(asked: Asked) -> bytes:
    return response(202, {"accepted": asked.headers["x-pgflow-attempt"], "instance": "i"})


@dataclass
class Server:
    """One connection at a time; an answer of None says nothing until the client leaves."""

    answer: Callable[[Asked], bytes | Iterable[bytes] | None] = accept
    asked: list[Asked] = field(default_factory=list)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        line = reader.readline().decode().strip()
        headers = {}
        while text := reader.readline().decode().strip():
            name, _, value = text.partition(": ")
            headers[name.lower()] = value
        asked = Asked(line, headers, reader.read(int(headers.get("content-length", 0))))
        self.asked.append(asked)
        answer = self.answer(asked)
        if answer is None:
            connection.recv(1)
        else:
            for part in [answer] if isinstance(answer, bytes) else answer:
                connection.sendall(part)


def make_attempt(options, **changes) -> Attempt:
    fields = {
        "run_id": UUID(int=1),
        "flow_slug": "thumbnails",
        "flow_version": 1,
        "step_slug": "resize",
        "step_type": "single",
        "task_index": 0,
        "attempt": 1,
        "attempt_token": TOKEN,
        "handler": "shop:resize",
        "params": None,
        "input": None,
        "options": options,
        "timeout": timedelta(seconds=60),
        "heartbeat_timeout": None,
        "max_attempts": 3,
        "failures": 0,
        "external_id": "pgf-0123456789-1",
        "lease_expires_at": datetime.now(UTC) + timedelta(seconds=60),
    }
    return Attempt(**{**fields, **changes})
