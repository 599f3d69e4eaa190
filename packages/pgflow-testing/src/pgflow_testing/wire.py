"""HTTP/1.1 on a port of this machine, where an answer may be withheld: web frameworks always answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

__all__ = ["Listener", "Request", "Response"]

_CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """The parameters; of those that come twice, the last."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    stream: AsyncIterator[bytes] | None = field(default=None, repr=False)
    """In the place of a body: parts that are sent as they come, until the client has left."""


Handle = Callable[[Request], Awaitable[Response | None]]
"""Answers a request; None ends the connection without an answer."""


class Listener:
    """Answers on a port until it is closed."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self, port: int = 0) -> str:
        """Listen; returns "host:port"."""
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", port, backlog=512)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """End it, and the conversations under way."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        with contextlib.suppress(h11.RemoteProtocolError, ConnectionError, asyncio.CancelledError):
            await self._answer_all(reader, writer)
        writer.transport.abort()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        while (request := await _read(connection, reader, writer)) is not None:
            response = await self._handle(request)
            if response is None:
                return
            if response.stream is None:
                writer.write(_encoded(connection, response))
                await writer.drain()
            else:
                await _send_parts(connection, response, response.stream, reader, writer)
            if connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()


async def _read(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                writer.write(connection.send(go_on) or b"")
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
            return Request(head.method.decode(), head.target.decode(), headers, bytes(body))
        else:
            return None


async def _send_parts(
    connection: h11.Connection,
    response: Response,
    parts: AsyncIterator[bytes],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    headers = [*response.headers.items(), ("Transfer-Encoding", "chunked")]
    writer.write(connection.send(h11.Response(status_code=response.status, headers=headers)) or b"")

    async def send() -> None:
        async for part in parts:
            writer.write(connection.send(h11.Data(data=part)) or b"")
            await writer.drain()
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()

    # Who waits for parts sends nothing: what comes meanwhile is the end of the connection.
    sending, leaving = asyncio.create_task(send()), asyncio.create_task(reader.read(_CHUNK))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not sending.done():
            raise ConnectionResetError("the client has left")
        sending.result()
        if leaving.done():
            connection.receive_data(leaving.result())
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)


def _encoded(connection: h11.Connection, response: Response) -> bytes:
    headers = {**response.headers, "Content-Length": str(len(response.body))}
    head = h11.Response(status_code=response.status, headers=list(headers.items()))
    parts = (head, h11.Data(data=response.body), h11.EndOfMessage())
    return b"".join(connection.send(part) or b"" for part in parts)
