"""An API server in one thread that answers what a test says and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Held:
    """A watch that stays open after these events."""

    events: bytes = b""


Answer = tuple[int, Any, dict[str, str]] | bytes | Held | None


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str] = field(repr=False)
    body: Any

    @property
    def what(self) -> str:
        return f"{self.method} {self.path.partition('/namespaces/tasks/')[2] or self.path}"


def refusal(code: int, reason: str = "", message: str = "no", **headers: str) -> Answer:
    body = {"kind": "Status", "reason": reason, "message": message, "code": code}
    return code, body, {name.replace("_", "-"): value for name, value in headers.items()}


class Server(ThreadingHTTPServer):
    """`answer(asked)` gives (status, body, headers), raw bytes of the body, Held, or None for silence."""

    daemon_threads = True

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[Asked] = []
        self.silence = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def kubeconfig(self, folder: Path, token: str = "first") -> Path:
        named = {"cluster": {"server": f"http://127.0.0.1:{self.server_address[1]}"}, "name": "c"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [named],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def stop(self) -> None:
        self.silence.set()
        self.shutdown()
        self.server_close()
        self._thread.join(30)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients leave when they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        text = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(text) if text else None
        asked = Asked(self.command, parts.path, parse_qs(parts.query), headers, body)
        self.server.asked.append(asked)
        answer = self.server.answer(asked)
        if answer is None:
            self.server.silence.wait(60)
            self.close_connection = True
            return
        if isinstance(answer, Held):
            self._hold(answer.events)
            return
        status, body, headers = (200, answer, {}) if isinstance(answer, bytes) else answer
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _hold(self, events: bytes) -> None:
        """Send events, and go on as a watch does where nothing happens."""
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(events), events) if events else b"")
        self.server.silence.wait(60)
        self.close_connection = True

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815
