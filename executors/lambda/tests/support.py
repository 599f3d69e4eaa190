"""A server on a socket that answers as a test says, in the form of the Lambda API, and attempts to launch."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pgflow.envelope import ReportTarget
from pgflow.executor import Attempt, DeployedStep

TOKEN = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
SECRET_KEY = "wJalrXUtnFEMI/canary"
REPORT_TO = ReportTarget("http", "https://flows.example.com")
ARN = "arn:aws:lambda:eu-west-3:123456789012:function:images"


@dataclass
class Asked:
    """A request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes


def response(status: int, body: object = None, **headers: str) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(text)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


def failure(status: int, code: str, message: str = "said by Lambda", **headers: str) -> bytes:
    """Refuse as Lambda does: the code stands in a header, beside it in no body."""
    body = {"Type": "User", "message": message}
    return response(status, body, x_amzn_ErrorType=f"{code}:http://internal.amazon.com/", **headers)


GOOD_CONFIG = response(200, {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})
QUEUED = response(202, b"", x_amzn_RequestId="req-1", X_Amz_Executed_Version="$LATEST")


@dataclass
class Server:
    """A thread for each connection; an answer of None says nothing until the client leaves."""

    answer: Callable[[Asked], bytes | Iterable[bytes] | None] = lambda _: QUEUED
    event_config: bytes = GOOD_CONFIG
    """What a question for the configuration of events is answered with."""
    asked: list[Asked] = field(default_factory=list)
    """The requests to invoke."""
    read: list[Asked] = field(default_factory=list)
    """All others."""
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self.threads.append(thread)

    def close(self) -> None:
        # `close` alone does not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()

    def _serve(self, connection: socket.socket) -> None:
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
        is_invocation = asked.line.startswith("POST ")
        (self.asked if is_invocation else self.read).append(asked)
        answer = self.answer(asked) if is_invocation else self.event_config
        if answer is None:
            connection.recv(1)
        else:
            for part in [answer] if isinstance(answer, bytes) else answer:
                connection.sendall(part)


async def settled(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  logs, bells and servers tell nobody
            await asyncio.sleep(0.01)


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


def deployed(executor, *, timeout=60, launch=300, **options) -> DeployedStep:
    asked = executor.StepOptions(**options)
    times = [timedelta(seconds=seconds) for seconds in (timeout, launch)]
    return DeployedStep("thumbnails", "resize", asked, *times, None)
