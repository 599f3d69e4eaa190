"""A PostgreSQL of its own that can be stopped at once, crashed and started again on the same port."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from pgflow.embedded import EmbeddedServer
from pgflow_sql import migrate

SETTINGS = {"fsync": "off", "full_page_writes": "off"}
"""A crash of the server, not of the machine, loses no commit with these."""

SECONDS = 120.0


def wait_for(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)
    return found


class Server:
    """The server under attack, with the schema of PGFlow and a table for traces."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = EmbeddedServer.ensure(folder, settings=SETTINGS)
        self.port = self._running.port
        self.dsn = self._running.dsn()
        with self.connect() as connection:
            migrate(connection)
            connection.execute("create schema chaos")
            connection.execute(
                "create table chaos.effects (call uuid primary key, run_id uuid not null, "
                "step_slug text not null, task_index int not null, attempt int not null)"
            )

    def through(self, port: int) -> str:
        """Return the DSN that leads through another port."""
        return self.dsn.replace(f":{self.port}/", f":{port}/")

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.dsn, autocommit=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(query).fetchall()

    def kill_backend(self, number: int) -> None:
        """SIGKILL a client's server process: PostgreSQL restarts all of them, and recovers."""
        pids = self.rows(
            "select pid from pg_stat_activity where backend_type = 'client backend' "
            "and pid <> pg_backend_pid() order by pid"
        )
        if pids:
            self._signal(pids[number % len(pids)][0], signal.SIGKILL)
            wait_for(self.answers, "the server's recovery")

    def answers(self) -> bool:
        try:
            self.rows("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop_at_once(self) -> None:
        """Stop as after a power cut of the server's processes: no checkpoint, recovery at the next start."""
        postmaster = int((self._folder / "cluster" / "postmaster.pid").read_text().splitlines()[0])
        self._signal(postmaster, signal.SIGQUIT)
        self._running.stop()

    def start(self) -> None:
        self._running = EmbeddedServer.ensure(self._folder, port=self.port, settings=SETTINGS)
        wait_for(self.answers, "the server's start")

    def close(self) -> None:
        self._running.stop()

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        os.kill(pid, number)
