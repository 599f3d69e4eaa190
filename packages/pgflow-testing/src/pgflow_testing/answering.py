"""A server on a socket that answers as a test says, byte for byte: HTTP servers answer in good form only."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self

__all__ = ["Answer", "Asked", "Server", "response"]

_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came over the wire."""

    line: str
    headers: dict[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


Answer = Callable[[Asked], bytes | Iterable[bytes] | None]
"""What to send for a request, in parts if need be; None says nothing until the client leaves."""


def response(status: int, body: object = None, **headers: str) -> bytes:
    """Return an answer in good form; `body` is bytes, or becomes JSON, and `_` in names of headers `-`."""
    text = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(text)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


class Server:
    """Answers one request a connection while it is entered; tests may give it another `answer`."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._threads = [threading.Thread(target=self._serve)]

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def answer_to(self, asked: Asked) -> bytes | Iterable[bytes] | None:
        """Note a request, and choose its answer."""
        self.asked.append(asked)
        return self.answer(asked)

    def __enter__(self) -> Self:
        """Serve, in threads of its own."""
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the connections that are open."""
        # `close` alone does not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_SECONDS)
            assert not thread.is_alive(), "a client does not leave"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._converse, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            answer = self.answer_to(_read(connection))
            if answer is None:
                connection.recv(1)
            else:
                for part in [answer] if isinstance(answer, bytes) else answer:
                    connection.sendall(part)


def _read(connection: socket.socket) -> Asked:
    reader = connection.makefile("rb")
    line = reader.readline().decode().strip()
    headers: dict[str, str] = {}
    while text := reader.readline().decode().strip():
        name, _, value = text.partition(": ")
        headers[name.lower()] = value
    return Asked(line, headers, reader.read(int(headers.get("content-length", 0))))
