"""Where a contender takes its turn: a database of its own, made from its template, and its driver process."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.measure import Cost, Meter
from benchmarks.participant import Contender, Driver
from benchmarks.server import Server

WARM_RUNS = 100
AS_THE_SERVER: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Turn:
    """One contender in one round: its driver, connected to a fresh database."""

    contender: Contender
    dsn: str
    driver: Driver
    meter: Meter

    def measure(self, operation: str, **arguments: Any) -> Cost:
        """Have the driver perform an operation and return what it cost."""
        before = self.meter.point()
        answer = self.driver.ask(operation, **arguments)
        after = self.meter.point()
        return Cost(
            seconds=answer.get("seconds", 0.0),
            calls=answer["calls"],
            client_cpu=answer["client_cpu"],
            server_cpu=after.cpu - before.cpu,
            wal_bytes=self.meter.wal_bytes(before, after),
            records=self.meter.records(before, after),
            answer=answer,
        )

    def settle(self) -> None:
        """Vacuum and checkpoint, so that nobody cleans up while something is measured."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("vacuum (analyze)")
            connection.execute("checkpoint")

    def warm(self, flow: str = "single") -> None:
        """Let a little work through, so that imports, connections and plans are behind everybody."""
        self.driver.ask("enqueue", flow=flow, count=WARM_RUNS, batch=WARM_RUNS // 2)
        self.driver.ask("drain", flow=flow, count=WARM_RUNS)


class Arena:
    """Gives turns on one server; `settings` are those of each turn's database."""

    def __init__(self, server: Server, logs: Path, settings: Mapping[str, str] = AS_THE_SERVER) -> None:
        self._server = server
        self._settings = settings
        self._logs = logs
        self._admin = psycopg.connect(server.dsn("postgres"), autocommit=True)
        self._meter = Meter(self._admin, server.waldump)
        self._templates: set[str] = set()
        logs.mkdir(parents=True, exist_ok=True)
        for database in ("postgres", "template1"):
            self._settle(database)

    def _driver(self, contender: Contender) -> Driver:
        return Driver(contender, self._logs / f"{contender.name}.log")

    def _drop(self, database: str) -> None:
        self._admin.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database))
        )

    def _settle(self, database: str) -> None:
        """Leave autovacuum nothing to do: its WAL would be counted as that of whoever has a turn."""
        with psycopg.connect(self._server.dsn(database), autocommit=True) as connection:
            connection.execute("vacuum (analyze)")

    def _template(self, contender: Contender) -> str:
        """Return the contender's template database; the first call has its driver install its schema."""
        database = f"template_{contender.name.replace('-', '_')}"
        if database not in self._templates:
            self._drop(database)
            self._admin.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
            with self._driver(contender) as driver:
                driver.ask("install", dsn=self._server.dsn(database))
            self._settle(database)
            self._templates.add(database)
        return database

    @contextmanager
    def turn(self, contender: Contender) -> Iterator[Turn]:
        """Give a turn on a fresh database, dropped afterwards.

        DROP DATABASE ends with a checkpoint and the copy is written to the WAL, so a turn begins with no
        full-page image due and, at our settings, no checkpoint falls into it.
        """
        template, database = self._template(contender), f"turn_{contender.name.replace('-', '_')}"
        self._drop(database)
        self._admin.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(database), sql.Identifier(template)
            )
        )
        for name, value in self._settings.items():
            self._admin.execute(
                sql.SQL("alter database {} set {} = {}").format(
                    sql.Identifier(database), sql.SQL(name), sql.Literal(value)
                )
            )
        dsn = self._server.dsn(database)
        try:
            with self._driver(contender) as driver:
                driver.ask("connect", dsn=dsn)
                yield Turn(contender, dsn, driver, self._meter)
        finally:
            self._drop(database)

    def close(self) -> None:
        """Drop the templates and leave the server."""
        for database in self._templates:
            self._drop(database)
        self._admin.close()
