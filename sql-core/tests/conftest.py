"""Fixtures of the engine's tests: drivers over fresh databases."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pgflow_sql
import psycopg
import pytest
from pgflow.embedded import THROWAWAY_SETTINGS, EmbeddedServer
from pgflow_testing.binaries import take_binaries

from .support.definitions import step
from .support.engine import Engine

_HANG_GUARD = "120s"


POOLED = os.environ.get("PGFLOW_TEST_PGBOUNCER") == "1"
"""Whether the drivers go through PgBouncer, where a session keeps nothing between transactions."""


def connect(dsn: str) -> psycopg.Connection[Any]:
    """Return an autocommit connection whose statements cannot hang a test."""
    connection: psycopg.Connection[Any] = psycopg.connect(
        dsn, autocommit=True, prepare_threshold=None if POOLED else 5
    )
    connection.execute(f"set statement_timeout = '{_HANG_GUARD}'")
    return connection


@pytest.fixture
def open_engine(pgflow_database: str, request: pytest.FixtureRequest) -> Iterator[Callable[[], Engine]]:
    """A function that opens one more session on the test's database."""
    dsn = request.getfixturevalue("pgflow_pooler").dsn(pgflow_database) if POOLED else pgflow_database
    with ExitStack() as stack:
        yield lambda: Engine(stack.enter_context(connect(dsn)), pooled=POOLED)


@pytest.fixture
def engine(open_engine: Callable[[], Engine]) -> Iterator[Engine]:
    """A driver over one session of the test's database, which the test must leave sound (rule 81)."""
    made = open_engine()
    yield made
    if not made.connection.closed:
        made.connection.rollback()
        if not POOLED:
            made.connection.execute("reset role")
        assert made.violations() == []


@pytest.fixture
def remote(engine: Engine) -> Engine:
    """An engine at second 0 with the flow `f` of one step `a`, launch_timeout 100 s, timeout 500 s."""
    engine.define("f", step("a", launch_timeout=100, timeout=500, max_attempts=2, base_delay=0))
    engine.at(0)
    return engine


@pytest.fixture
def log_in(engine: Engine, open_engine: Callable[[], Engine]) -> Iterator[Callable[..., Engine]]:
    """A function that opens a session of a login of its own, made with these options and roles."""
    made: list[Engine] = []
    names: list[str] = []

    def opened(options: str, *roles: str) -> Engine:
        session = open_engine()
        name = f"login_{session.connection.info.backend_pid}"
        engine.rows(f"create role {name} login {options}")
        names.append(name)
        for role in roles:
            engine.rows(f"grant {role} to {name}")
        session.rows(f"set session authorization {name}")
        made.append(session)
        return session

    yield opened
    for session in made:
        session.connection.close()
    for name in names:
        engine.rows(f"drop role {name}")


@pytest.fixture(scope="session")
def quiet_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that nobody else uses, without autovacuum: what is read and written depends on the test alone.

    Elsewhere the snapshot of an analyze, even of a catalog, keeps dead rows in the way of what is counted.
    """
    version = os.environ.get("PGFLOW_TEST_POSTGRES") or "18"
    with EmbeddedServer.ensure(
        tmp_path_factory.mktemp("quiet"),
        version=version,
        binaries=take_binaries(version),
        temporary=True,
        settings={**THROWAWAY_SETTINGS, "autovacuum": "off"},
    ) as server:
        yield server


@pytest.fixture
def quiet_database(quiet_server: EmbeddedServer) -> Iterator[str]:
    """A new database with the schema on the quiet server."""
    with psycopg.connect(quiet_server.dsn(), autocommit=True) as admin:
        admin.execute("create database counted")
        with psycopg.connect(quiet_server.dsn("counted")) as connection:
            pgflow_sql.install(connection)
        yield quiet_server.dsn("counted")
        admin.execute("drop database counted with (force)")
