"""What the endpoints ask the database, on one connection of their own; answers are kept for a while.

However often a page is scraped, the database sees at most one look in so many seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import psycopg

from pgflow.database import aconnect, afetch
from pgflow.database.statement import Statement
from pgflow.database.statements.monitoring import Backlog, backlog, sweep_lag
from pgflow.database.statements.operations import probe
from pgflow.errors import DatabaseUnreachable, PgflowError
from pgflow.http.readiness import Part

__all__ = ["DatabaseView", "Load"]

T = TypeVar("T")

_READY_SECONDS: Final = 2.0
_LOAD_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 3.0
"""A database that takes longer counts as one that does not answer."""

Load = tuple[Sequence[Backlog], float]
"""The backlog by executor, and the lag of the sweep in seconds."""


class _Kept(Generic[T]):
    """The latest answer to a question, asked again when it is too old; one asks, the others wait."""

    def __init__(self, ask: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._asked_at = float("-inf")
        self._answer: T | None = None
        self._turn = asyncio.Lock()

    async def get(self) -> T:
        async with self._turn:
            if self._answer is None or time.monotonic() - self._asked_at >= self._seconds:
                self._answer = await self._ask()
                self._asked_at = time.monotonic()
            return self._answer


class DatabaseView:
    """The database as the endpoints see it."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._turn = asyncio.Lock()
        self._parts = _Kept(self._look, _READY_SECONDS)
        self._load = _Kept(self._weigh, _LOAD_SECONDS)

    async def parts(self) -> Sequence[Part]:
        """Judge the database: whether it answers, and whether its schema fits."""
        return await self._parts.get()

    async def load(self) -> Load | None:
        """Say how much work waits; None if the database cannot be asked."""
        try:
            return await self._load.get()
        except PgflowError:
            return None

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                await connection.close()

    async def _look(self) -> Sequence[Part]:
        try:
            seen = await self._ask(probe())
        except DatabaseUnreachable as error:
            unknown = Part("schema", ok=False, reason="the database does not answer")
            return [Part("database", ok=False, reason=str(error)), unknown]
        except PgflowError as error:
            return [
                Part("database", ok=True, reason="it answers"),
                Part("schema", ok=False, reason=str(error)),
            ]
        fits = f"version {seen.schema_version} fits this library"
        return [Part("database", ok=True, reason="it answers"), Part("schema", ok=True, reason=fits)]

    async def _weigh(self) -> Load:
        return await self._ask(backlog()), await self._ask(sweep_lag())

    async def _ask(self, statement: Statement[T]) -> T:
        async with self._turn:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    if self._connection is None:
                        self._connection = await aconnect(self._dsn, application_name="pgflow http")
                    return await afetch(self._connection, statement)
            except TimeoutError:
                await self.close()
                raise DatabaseUnreachable(f"no answer within {_ANSWER_SECONDS:g} s") from None
            except PgflowError:
                await self.close()  # opened again, the schema is checked again
                raise
