"""Send a statement, on a synchronous or an asynchronous connection.

Deadlocks, serialization failures and lock timeouts are sent again with jitter, but only where the
statement is a transaction by itself: inside a caller's transaction the caller decides.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection
from typing import Any, Final, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from pgflow.database.failures import translate
from pgflow.database.statement import Statement

__all__ = ["CONTENTION", "DEADLOCKS", "afetch", "fetch"]

T = TypeVar("T")

DEADLOCKS: Final = frozenset({"40P01", "40001"})
"""SQLSTATEs of a statement that lost to another one and may simply be sent again."""

CONTENTION: Final = DEADLOCKS | {"55P03"}
"""The same and lock_not_available: another session holds a run open."""

_ATTEMPTS: Final = 10
_FIRST_DELAY: Final = 0.01
_LONGEST_DELAY: Final = 1.0


def fetch(
    connection: psycopg.Connection[Any], statement: Statement[T], *, retry: Collection[str] = CONTENTION
) -> T:
    """Send a statement and read what it answers.  Raises a PgflowError for whatever goes wrong."""
    cursor = psycopg.Cursor(connection, row_factory=tuple_row)
    attempts = _Attempts(connection, retry)
    while True:
        try:
            cursor.execute(statement.query, statement.params)
            return statement.parse(cursor.fetchall() if _has_rows(cursor) else ())
        except psycopg.Error as error:
            delay = attempts.delay_after(error)
        time.sleep(delay)


async def afetch(
    connection: psycopg.AsyncConnection[Any], statement: Statement[T], *, retry: Collection[str] = CONTENTION
) -> T:
    """Send a statement and read what it answers.  Raises a PgflowError for whatever goes wrong."""
    cursor = psycopg.AsyncCursor(connection, row_factory=tuple_row)
    attempts = _Attempts(connection, retry)
    while True:
        try:
            await cursor.execute(statement.query, statement.params)
            return statement.parse(await cursor.fetchall() if _has_rows(cursor) else ())
        except psycopg.Error as error:
            delay = attempts.delay_after(error)
        await asyncio.sleep(delay)


def _has_rows(cursor: psycopg.Cursor[Any] | psycopg.AsyncCursor[Any]) -> bool:
    # The cursor's `description` would make an object of each column.
    return cursor.rownumber is not None


class _Attempts:
    """Counts the attempts at one statement."""

    def __init__(
        self, connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any], retry: Collection[str]
    ) -> None:
        # Not `connection.info`: it makes two objects, for every statement.
        alone = connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE
        self._retry = retry if alone else ()
        self._made = 0

    def delay_after(self, error: psycopg.Error) -> float:
        """Say how long to wait, in seconds, before the next attempt; raise if there is none."""
        self._made += 1
        if error.sqlstate not in self._retry or self._made >= _ATTEMPTS:
            raise translate(error) from error
        return random.uniform(0.5, 1) * min(_LONGEST_DELAY, _FIRST_DELAY * 2.0**self._made)
