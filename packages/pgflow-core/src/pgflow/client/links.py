"""What a synchronous client sends its statements on: a connection of its own, or one that is lent to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import psycopg

from pgflow.client.waiting import Patience, check_idle, concerns
from pgflow.database import Statement, can_listen, connect, fetch
from pgflow.database.statements.operations import listen_events
from pgflow.errors import DatabaseUnreachable, PgflowError

__all__ = ["BorrowedLink", "Link", "OwnLink"]

T = TypeVar("T")

_NAME: Final = "pgflow client"


class Link(Protocol):
    """Sends statements, and waits for runs to end."""

    def fetch(self, statement: Statement[T]) -> T:
        """Send one statement."""
        ...

    def fetch_all(self, statements: Iterable[Statement[T]]) -> list[T]:
        """Send statements that take effect together."""
        ...

    def look(self, statement: Statement[T]) -> T:
        """Read what is committed now."""
        ...

    def wait(self, run_id: UUID, patience: Patience) -> None:
        """Wait until the run may have ended, or it is time to look."""
        ...

    def close(self) -> None:
        """Close what is the client's own."""
        ...


class OwnLink:
    """A connection that is opened when first needed, and again when it breaks.  Threads take turns."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Any] | None = None
        self._ears = _Ears(dsn)

    def fetch(self, statement: Statement[T]) -> T:
        """Send a statement, a second time if the connection broke and that does no harm."""
        with self._lock:
            try:
                return fetch(self._connected(), statement)
            except DatabaseUnreachable:
                self._drop()
                if not statement.repeatable:
                    raise
            return fetch(self._connected(), statement)

    def fetch_all(self, statements: Iterable[Statement[T]]) -> list[T]:
        """Send statements in one transaction."""
        with self._lock:
            connection = self._connected()
            with connection.transaction():
                return [fetch(connection, statement) for statement in statements]

    def look(self, statement: Statement[T]) -> T:
        """Read what is committed now."""
        return self.fetch(statement)

    def wait(self, run_id: UUID, patience: Patience) -> None:
        """Wait for a notification, or for as long as patience says."""
        self._ears.wait(run_id, patience)

    def close(self) -> None:
        """Close the connections; the next statement opens them again."""
        with self._lock:
            self._drop()
        self._ears.close()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn, application_name=_NAME)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class BorrowedLink:
    """The user's own connection: statements join its transaction, and nothing is committed here."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def fetch(self, statement: Statement[T]) -> T:
        """Send a statement as part of what the user is doing."""
        return fetch(self._connection, statement)

    def fetch_all(self, statements: Iterable[Statement[T]]) -> list[T]:
        """Send statements in the user's transaction; only an autocommit connection gets one of its own."""
        if not self._connection.autocommit:
            return [self.fetch(statement) for statement in statements]
        with self._connection.transaction():
            return [self.fetch(statement) for statement in statements]

    def look(self, statement: Statement[T]) -> T:
        """Read in a transaction of its own; raises NotPossible inside the user's."""
        check_idle(self._connection)
        if self._connection.autocommit:
            return self.fetch(statement)
        with self._connection.transaction():
            return self.fetch(statement)

    def wait(self, run_id: UUID, patience: Patience) -> None:
        """Wait as long as patience says: the connection is not ours to listen on."""
        time.sleep(patience.pause(hears=False))

    def close(self) -> None:
        """Leave the connection to its owner."""


class _Ears:
    """A second connection that listens for the ends of runs; one thread at a time, the others poll."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._deaf = False

    def wait(self, run_id: UUID, patience: Patience) -> None:
        if self._deaf or not self._lock.acquire(blocking=False):
            time.sleep(patience.pause(hears=False))
            return
        try:
            if self._connection is None:
                self._open()  # and have the caller look once more: the run may have ended before
            else:
                self._listen(self._connection, run_id, patience.pause(hears=True))
        except (PgflowError, psycopg.Error):
            self._drop()
            time.sleep(patience.pause(hears=False))
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _open(self) -> None:
        connection = connect(self._dsn, application_name=_NAME)
        if can_listen(connection):
            fetch(connection, listen_events())
            self._connection = connection
        else:
            self._deaf = True
            connection.close()

    def _listen(self, connection: psycopg.Connection[Any], run_id: UUID, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for notification in connection.notifies(timeout=left, stop_after=1):
                if concerns(notification.payload, run_id):
                    return

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
