"""What an asynchronous client sends its statements on: a connection of its own, or one that is lent to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import psycopg

from pgflow.client.waiting import Patience, check_idle, concerns
from pgflow.database import Statement, aconnect, afetch, can_listen
from pgflow.database.statements.operations import listen_events
from pgflow.errors import DatabaseUnreachable, PgflowError

__all__ = ["AsyncBorrowedLink", "AsyncLink", "AsyncOwnLink"]

T = TypeVar("T")

_NAME: Final = "pgflow client"
_RECONNECT_SECONDS: Final = 1.0


class AsyncLink(Protocol):
    """Sends statements, and waits for runs to end."""

    async def fetch(self, statement: Statement[T]) -> T:
        """Send one statement."""
        ...

    async def fetch_all(self, statements: Iterable[Statement[T]]) -> list[T]:
        """Send statements that take effect together."""
        ...

    async def look(self, statement: Statement[T]) -> T:
        """Read what is committed now."""
        ...

    async def wait(self, run_id: UUID, patience: Patience) -> None:
        """Wait until the run may have ended, or it is time to look."""
        ...

    async def close(self) -> None:
        """Close what is the client's own."""
        ...


class AsyncOwnLink:
    """A connection that is opened when first needed, and again when it breaks.  Tasks take turns."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._lock = asyncio.Lock()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._ears = _Ears(dsn)

    async def fetch(self, statement: Statement[T]) -> T:
        """Send a statement, a second time if the connection broke and that does no harm."""
        async with self._lock:
            try:
                return await afetch(await self._connected(), statement)
            except DatabaseUnreachable:
                await self._drop()
                if not statement.repeatable:
                    raise
            return await afetch(await self._connected(), statement)

    async def fetch_all(self, statements: Iterable[Statement[T]]) -> list[T]:
        """Send statements in one transaction."""
        async with self._lock:
            connection = await self._connected()
            async with connection.transaction():
                return [await afetch(connection, statement) for statement in statements]

    async def look(self, statement: Statement[T]) -> T:
        """Read what is committed now."""
        return await self.fetch(statement)

    async def wait(self, run_id: UUID, patience: Patience) -> None:
        """Wait for a notification, or for as long as patience says."""
        await self._ears.wait(run_id, patience)

    async def close(self) -> None:
        """Close the connections; the next statement opens them again."""
        async with self._lock:
            await self._drop()
        await self._ears.close()

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await aconnect(self._dsn, application_name=_NAME)
        return self._connection

    async def _drop(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


class AsyncBorrowedLink:
    """The user's own connection: statements join its transaction, and nothing is committed here."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def fetch(self, statement: Statement[T]) -> T:
        """Send a statement as part of what the user is doing."""
        return await afetch(self._connection, statement)

    async def fetch_all(self, statements: Iterable[Statement[T]]) -> list[T]:
        """Send statements in the user's transaction; only an autocommit connection gets one of its own."""
        if not self._connection.autocommit:
            return [await self.fetch(statement) for statement in statements]
        async with self._connection.transaction():
            return [await self.fetch(statement) for statement in statements]

    async def look(self, statement: Statement[T]) -> T:
        """Read in a transaction of its own; raises NotPossible inside the user's."""
        check_idle(self._connection)
        if self._connection.autocommit:
            return await self.fetch(statement)
        async with self._connection.transaction():
            return await self.fetch(statement)

    async def wait(self, run_id: UUID, patience: Patience) -> None:
        """Wait as long as patience says: the connection is not ours to listen on."""
        await asyncio.sleep(patience.pause(hears=False))

    async def close(self) -> None:
        """Leave the connection to its owner."""


class _Ears:
    """A second connection that listens for the ends of runs, for all that wait at once."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._hears = False
        self._waiting: dict[asyncio.Event, UUID] = {}
        self._listening: asyncio.Task[None] | None = None

    async def wait(self, run_id: UUID, patience: Patience) -> None:
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        seconds = patience.pause(hears=self._hears)  # raises when the time is up
        event = asyncio.Event()
        self._waiting[event] = run_id
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        finally:
            del self._waiting[event]

    async def close(self) -> None:
        task, self._listening = self._listening, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
                return  # behind a pooler: polling alone
            except (PgflowError, psycopg.Error):
                self._hears = False
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _hear(self) -> None:
        async with await aconnect(self._dsn, application_name=_NAME) as connection:
            if not can_listen(connection):
                return
            await afetch(connection, listen_events())
            self._hears = True
            self._wake("*")  # what ended before was not heard
            async for notification in connection.notifies():
                self._wake(notification.payload)

    def _wake(self, payload: str) -> None:
        for event, run_id in self._waiting.items():
            if concerns(payload, run_id):
                event.set()
