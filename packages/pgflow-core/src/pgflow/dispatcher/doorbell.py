"""Hear of ready tasks by LISTEN; the lanes poll while nobody can hear."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection, Mapping
from typing import Final

import psycopg

from pgflow.database import aconnect, afetch, can_listen
from pgflow.database.statements.operations import listen_ready
from pgflow.dispatcher.lane import Lane
from pgflow.errors import PgflowError

__all__ = ["Doorbell"]

_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 15.0

_LONGEST_POLL: Final = 10.0
_LONGEST_POLL_DEAF: Final = 1.5
"""Times the number of lanes: an idle dispatcher stays under one query a second."""


class Doorbell:
    """One direct connection that waits for notifications and rings the lanes they name."""

    def __init__(self, dsn: str, name: str, lanes: Mapping[str, Lane], logger: logging.Logger) -> None:
        self.hears = False
        self._dsn = dsn
        self._name = name
        self._lanes = lanes
        self._logger = logger
        self._tell(hears=False)

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
                self._ring(notification.payload.split(","))
        return True

    def _tell(self, *, hears: bool) -> None:
        self.hears = hears
        longest = _LONGEST_POLL if hears else _LONGEST_POLL_DEAF * len(self._lanes)
        for lane in self._lanes.values():
            lane.longest_poll = longest
        self._ring(self._lanes)

    def _ring(self, executors: Collection[str]) -> None:
        for executor in executors:
            lane = self._lanes.get(executor)
            if lane is not None:
                lane.ring()
