"""Hears of the ends of runs, on the connection that the command has anyway."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import psycopg

from pgflow.client.waiting import concerns
from pgflow.database.connection import can_listen
from pgflow.database.execute import fetch
from pgflow.database.statements.operations import listen_events

__all__ = ["Ear"]


class Ear:
    """Listens for ends; behind a pooler it only waits, and who asks must look by himself."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._hears = can_listen(connection)
        if self._hears:
            fetch(connection, listen_events())

    def wait(self, run_id: UUID, seconds: float) -> None:
        """Return when the run has ended, after `seconds` at the latest."""
        deadline = time.monotonic() + seconds
        if not self._hears:
            time.sleep(seconds)
            return
        while (left := deadline - time.monotonic()) > 0:
            for notification in self._connection.notifies(timeout=left, stop_after=1):
                if concerns(notification.payload, run_id):
                    return
