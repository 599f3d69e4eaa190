"""What an idle dispatcher says to the database for a task: the latency that no machine can take away."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import psycopg
import pytest
from pgflow import AsyncClient, Client
from pgflow.dispatcher import doorbell, pace
from pgflow.dispatcher.links import Database
from psycopg.pq import Trace
from trial import chain, single

NEVER = 3600.0


class Wires:
    """The protocol of each connection of a dispatcher, as libpq writes it down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[TextIO] = []

    def trace(self, connection: psycopg.AsyncConnection) -> None:
        file = (self._folder / f"{len(self._files)}.wire").open("w+")
        self._files.append(file)
        connection.pgconn.trace(file.fileno())
        connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

    def close(self) -> None:
        for file in self._files:
            file.close()

    def calls(self) -> int:
        """The statements that all connections have sent."""
        lines = [
            line.split("\t") for file in self._files for line in Path(file.name).read_text().splitlines()
        ]
        return sum(line[0] == "F" and line[2] in ("Execute", "Query") for line in lines)

    def exchanging(self) -> list[list[str]]:
        """The messages to the server of each connection that carries exchanges."""
        texts = [Path(file.name).read_text() for file in self._files]
        return [
            [line.split("\t")[2] for line in text.splitlines() if line.startswith("F\t")]
            for text in texts
            if "pgflow.exchange_step_tasks" in text
        ]


@pytest.fixture
def wires(tmp_path, monkeypatch):
    wires = Wires(tmp_path)
    connect = Database.connect

    async def traced(database: Database) -> psycopg.AsyncConnection:
        connection = await connect(database)
        wires.trace(connection)
        return connection

    monkeypatch.setattr(Database, "connect", traced)
    # On a slow machine a poll would come in between.
    monkeypatch.setattr(pace, "_FIRST_POLL", NEVER)
    monkeypatch.setattr(doorbell, "_LONGEST_POLL", NEVER)
    yield wires
    wires.close()


async def test_a_start_and_each_next_step_take_one_round_trip_on_one_connection(
    wires, pgflow_database, dispatching
):
    async with AsyncClient(pgflow_database) as client, dispatching(pgflow_database):
        await client.deploy(chain)
        for _ in range(8):  # until the exchange is a prepared statement
            assert await (await client.start(chain, 1)).result(60) == -2
        (before,) = wires.exchanging()
        for _ in range(5):
            assert await (await client.start(chain, 1)).result(60) == -2
        (after,) = wires.exchanging()
    # claim; report and claim; report: three a run of two steps, each one transaction by itself
    assert after[len(before) :] == ["Bind", "Describe", "Execute", "Sync"] * 3 * 5


async def test_at_load_a_call_carries_many_tasks(wires, pgflow_database, dispatching, aeventually):
    """P9, with all that a dispatcher says besides."""
    tasks = 2000
    with Client(pgflow_database) as client:
        client.deploy(single)
        client.start_many(single, list(range(tasks)))
    with psycopg.connect(pgflow_database, autocommit=True) as watching:

        def done() -> bool:
            (waiting,) = watching.execute("select exists (select from pgflow.ready_tasks)").fetchone()
            return not waiting

        async with dispatching(pgflow_database):
            await aeventually(done)
            calls = wires.calls()
    assert calls <= 0.1 * tasks
