"""The dispatcher's connections, and whether the database answers.

One outage is one state of the whole dispatcher: whatever notices it first begins it, everything that needs
the database waits, and one coroutine reconnects and sets things right before the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psycopg
from psycopg.rows import TupleRow

from pgflow.database import DEADLOCKS, Statement, aconnect, afetch
from pgflow.database.statements.operations import postpone_lease_expiry, probe
from pgflow.errors import DatabaseUnreachable, PgflowError

__all__ = ["Database", "Link", "monotonic"]

T = TypeVar("T")

_FIRST_DELAY: Final = 0.05
_LONGEST_DELAY: Final = 5.0
_LONGEST_ATTEMPT: Final = 10.0
_SHORTEST_ATTEMPT: Final = 2.0
"""Seconds until a server that does not answer counts as away; no less, for one that is only slow."""


def monotonic() -> float:
    """Read a clock that also runs while the machine sleeps, where the system has one; in seconds."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Database:
    """The database as this dispatcher sees it: up, or down and being waited for."""

    def __init__(self, dsn: str, *, worker_id: str, lease: float, logger: logging.Logger) -> None:
        self.up = asyncio.Event()
        self.outages = 0
        self._dsn = dsn
        self._name = f"pgflow dispatch {worker_id}"
        self._lease = lease
        # The first to reconnect gives all one lease of grace: the last tries within half of it.
        self._longest_delay = min(_LONGEST_DELAY, lease / 6)
        self._patience = min(_LONGEST_ATTEMPT, max(_SHORTEST_ATTEMPT, lease / 3))
        self._logger = logger
        self._last_contact = monotonic()
        self._lost = asyncio.Event()

    async def open(self) -> None:
        """Connect for the first time; raises what is wrong instead of waiting for it to mend."""
        connection = await self.connect()
        await connection.close()
        self.touch()
        self.up.set()

    async def connect(self) -> psycopg.AsyncConnection[TupleRow]:
        """Open a connection that notices in a third of a lease that nothing answers any more."""
        return await aconnect(self._dsn, application_name=self._name, patience=self._patience)

    def touch(self) -> None:
        """Take note that the database answered."""
        self._last_contact = monotonic()

    def was_cut_off(self) -> bool:
        """Tell whether leases may have expired, or be about to, for want of contact."""
        return monotonic() - self._last_contact > self._lease / 2

    def lose(self, reason: object, *, seen_outages: int) -> None:
        """Begin an outage, unless it is the one that has begun or ended since `seen_outages` was read."""
        if self.up.is_set() and seen_outages == self.outages:
            self.up.clear()
            self.outages += 1
            self._lost.set()
            self._logger.warning("database lost, running tasks go on: %s", reason)

    async def recover(self, renew_leases: Callable[[Link], Awaitable[None]]) -> None:
        """Wait for the next outage, and for its end; leases are safe before anybody else goes on."""
        await self._lost.wait()
        self._lost.clear()
        began = time.monotonic()
        delay = _FIRST_DELAY
        said = ""
        while True:
            try:
                await self._set_right(renew_leases)
                break
            except PgflowError as error:
                if not isinstance(error, DatabaseUnreachable) and str(error) != said:
                    said = str(error)
                    self._logger.error("database cannot be used yet: %s", said)
            await asyncio.sleep(delay * random.uniform(0.5, 1))
            delay = min(delay * 2, self._longest_delay)
        self.up.set()
        self._logger.warning("database is back after %.1f s", time.monotonic() - began)

    async def _set_right(self, renew_leases: Callable[[Link], Awaitable[None]]) -> None:
        link = Link(self)
        try:
            if self.was_cut_off():
                await link.send(postpone_lease_expiry(self._lease))
            await renew_leases(link)
            await link.ping()
        finally:
            await link.close()


class Link:
    """One connection, opened when first needed and again after an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._outages = 0

    async def run(self, statement: Statement[T]) -> T:
        """Send a statement once the database is up.

        Raises DatabaseUnreachable when it is lost meanwhile: the statement may then have taken effect.
        """
        database = self._database
        if database.was_cut_off():
            database.lose("no contact for more than half a lease", seen_outages=database.outages)
        await database.up.wait()
        try:
            return await self.send(statement)
        except DatabaseUnreachable as error:
            database.lose(error, seen_outages=self._outages)
            raise

    async def send(self, statement: Statement[T]) -> T:
        """Send a statement whether or not the database is known to be up."""
        if self._outages != self._database.outages:
            await self.close()  # what was opened before an outage is not worth a try
        self._outages = self._database.outages
        try:
            if self._connection is None:
                self._connection = await self._database.connect()
            answer = await afetch(self._connection, statement, retry=DEADLOCKS)
        except DatabaseUnreachable:
            await self.close()
            raise
        self._database.touch()
        return answer

    async def ping(self) -> None:
        """Connect, if need be, and see that the database answers."""
        await self.send(probe())

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                await connection.close()
