"""A front of the completion API that does to requests what networks and servers do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

Fault = Callable[["Exchange"], None]


class Exchange:
    """One request on its way; a fault may answer it, delay it or cut the line."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: bytes, backend: str, number: int) -> None:
        self.verb = handler.path.rpartition("/")[2]
        self.number = number
        """The how manieth request of this verb, from 1."""
        self.answered = False
        self._handler = handler
        self._body = body
        self._backend = backend

    def forward(self) -> tuple[int, bytes]:
        dropped = {"host", "content-length", "connection", "accept-encoding"}
        given = self._handler.headers.items()
        headers = {name: value for name, value in given if name.lower() not in dropped}
        answer = httpx.post(
            self._backend + self._handler.path,
            content=self._body,
            headers=headers,
            timeout=30,
            trust_env=False,
        )
        return answer.status_code, answer.content

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.answered = True
        # The client may have given up.
        with contextlib.suppress(ConnectionError):
            self._handler.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self._handler.send_header(name.replace("_", "-"), value)
            self._handler.end_headers()
            self._handler.wfile.write(body)

    def cut(self) -> None:
        self.answered = True
        self._handler.close_connection = True
        with contextlib.suppress(OSError):
            self._handler.connection.shutdown(socket.SHUT_RDWR)


class Front:
    """Forwards what no fault answers, and counts."""

    def __init__(self, backend: str) -> None:
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self._lock = threading.Lock()
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                front.serve(self, body, backend)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def serve(self, handler: BaseHTTPRequestHandler, body: bytes, backend: str) -> None:
        with self._lock:
            self.seen.append(handler.path.rpartition("/")[2])
            exchange = Exchange(handler, body, backend, self.seen.count(self.seen[-1]))
        for fault in self.faults:
            fault(exchange)
            if exchange.answered:
                return
        exchange.answer(*exchange.forward())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


def lost_answer(verb: str, times: int = 1) -> Fault:
    """Do what is asked and say nothing."""

    def fault(exchange: Exchange) -> None:
        if exchange.verb == verb and exchange.number <= times:
            exchange.forward()
            exchange.cut()

    return fault


def busy(verb: str, status: int, times: int = 1, after: str = "0") -> Fault:
    """Ask to come again."""

    def fault(exchange: Exchange) -> None:
        if exchange.verb == verb and exchange.number <= times:
            exchange.answer(status, b"<html>busy</html>", Retry_After=after)

    return fault


def answered(verb: str, status: int, body: bytes) -> Fault:
    """Answer the first request by ourselves."""

    def fault(exchange: Exchange) -> None:
        if exchange.verb == verb and exchange.number == 1:
            exchange.answer(status, body)

    return fault


def silent(*verbs: str) -> Fault:
    """Cut every line of these verbs."""

    def fault(exchange: Exchange) -> None:
        if exchange.verb in verbs:
            exchange.cut()

    return fault


def stuck(verb: str, until: threading.Event) -> Fault:
    """Take requests of this verb and say nothing, until they no longer matter."""

    def fault(exchange: Exchange) -> None:
        if exchange.verb == verb:
            until.wait(60)
            exchange.cut()

    return fault


def slow(seconds: float) -> Fault:
    """Take time for everything."""

    def fault(exchange: Exchange) -> None:
        time.sleep(seconds)

    return fault
