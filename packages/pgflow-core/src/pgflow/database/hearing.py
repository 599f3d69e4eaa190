"""Hear by LISTEN of tasks that became ready, and tell whether anybody can hear."""

from __future__ import annotations

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import psycopg

from pgflow.database.connection import aconnect
from pgflow.database.echo import answers
from pgflow.database.execute import afetch
from pgflow.database.statements.operations import listen_ready
from pgflow.errors import PgflowError

__all__ = ["ReadyListener"]

_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 15.0
_DEAF_DELAY: Final = 600.0
"""Seconds until a connection that heard nothing is tried, and told of, once more."""

_DEAF: Final = (
    "LISTEN hears nothing: the connection leads to a pooler in transaction mode, or to another database. "
    "New tasks are found by polling, so they start later; let listen_dsn in [dispatcher] of pgflow.toml lead "
    "to the database itself"
)


class ReadyListener(ABC):
    """One direct connection that waits for notifications; while `hears` is false one must poll.

    `dsn` is where work comes through; `listen_dsn` leads around a pooler.
    """

    def __init__(self, dsn: str, name: str, logger: logging.Logger, *, listen_dsn: str | None) -> None:
        self.hears = False
        self._dsn = dsn
        self._listen_dsn = listen_dsn or dsn
        self._name = name
        self._logger = logger

    @abstractmethod
    def on_ready(self, executors: Sequence[str]) -> None:
        """Tasks of these executors became ready."""

    @abstractmethod
    def on_change(self) -> None:
        """`hears` may have changed: what became ready before was perhaps not heard."""

    async def listen(self) -> None:
        """Listen until cancelled, connecting again whenever the connection is lost."""
        delay = _FIRST_DELAY
        said = ""
        while True:
            try:
                if not await self._hear():
                    self._logger.warning(_DEAF)
                    await asyncio.sleep(_DEAF_DELAY)
                    continue
            except (PgflowError, psycopg.Error) as error:
                if self.hears:
                    delay = _FIRST_DELAY
                    self._logger.warning("no longer listening, polling meanwhile: %s", error)
                elif str(error) != said:
                    said = str(error)
                    self._logger.warning("cannot listen, polling meanwhile: %s", said)
            self._tell(hears=False)
            await asyncio.sleep(delay * random.uniform(0.5, 1))
            delay = min(delay * 2, _LONGEST_DELAY)

    async def _hear(self) -> bool:
        """Listen until the connection is lost, which raises; False if it hears nothing."""
        connecting = aconnect(self._listen_dsn, application_name=self._name, check_schema=False)
        async with await connecting as connection:
            if not await answers(connection, self._dsn, self._name):
                return False
            await afetch(connection, listen_ready())
            self._logger.info("listening for ready tasks")
            self._tell(hears=True)
            async for notification in connection.notifies():
                self.on_ready(notification.payload.split(","))
        return True

    def _tell(self, *, hears: bool) -> None:
        self.hears = hears
        self.on_change()
