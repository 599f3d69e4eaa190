"""Hear by LISTEN of tasks that became ready, and tell whether anybody can hear."""

from __future__ import annotations

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import psycopg

from pgflow.database.connection import aconnect, can_listen
from pgflow.database.execute import afetch
from pgflow.database.statements.operations import listen_ready
from pgflow.errors import PgflowError

__all__ = ["ReadyListener"]

_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 15.0


class ReadyListener(ABC):
    """One direct connection that waits for notifications; while `hears` is false one must poll."""

    def __init__(self, dsn: str, name: str, logger: logging.Logger) -> None:
        self.hears = False
        self._dsn = dsn
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
        reason: Exception | None = None
        while True:
            try:
                if not await self._hear():
                    self._logger.warning("connected through a pooler, where LISTEN hears nothing: polling")
                    return
            except (PgflowError, psycopg.Error) as error:
                reason = error
            if self.hears:
                delay = _FIRST_DELAY
                self._logger.warning("no longer listening, polling meanwhile: %s", reason)
            self._tell(hears=False)
            await asyncio.sleep(delay * random.uniform(0.5, 1))
            delay = min(delay * 2, _LONGEST_DELAY)

    async def _hear(self) -> bool:
        """Listen until the connection is lost, which raises; False if it is none to listen on."""
        async with await aconnect(self._dsn, application_name=self._name) as connection:
            if not can_listen(connection):
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
