"""Fixtures that give each test a database of its own with PGFlow in it.

Nothing is started until a test asks for a database. The processes of an xdist session share one server and
one template: the controller names a folder, the first worker that needs the server starts it there, the rest
join.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import psycopg

    from pgflow_testing.databases import Databases
    from pgflow_testing.driver import Driver
    from pgflow_testing.pooler import Pooler
    from pgflow_testing.servers import Server

_SESSION_ID = pytest.StashKey[str]()
_SCRATCH = pytest.StashKey[str]()
_WORKER_INPUT = {_SESSION_ID: "pgflow_session_id", _SCRATCH: "pgflow_scratch"}

_MEMORY = "/dev/shm"  # noqa: S108  the folder made in it has a name that cannot be guessed
_ROOM = 4 * 1024**3


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the version of PostgreSQL be chosen."""
    parser.getgroup("pgflow").addoption(
        "--postgres",
        metavar="VERSION",
        help="major version of PostgreSQL to test on, as PGFLOW_TEST_POSTGRES",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the session; a worker has the name, its place and the choice of a version from its controller."""
    chosen: str | None = config.getoption("--postgres")
    if chosen is not None:
        os.environ["PGFLOW_TEST_POSTGRES"] = chosen
    worker_input: dict[str, Any] = getattr(config, "workerinput", {})
    config.stash[_SESSION_ID] = worker_input.get(_WORKER_INPUT[_SESSION_ID]) or uuid.uuid4().hex[:12]
    config.stash[_SCRATCH] = worker_input.get(_WORKER_INPUT[_SCRATCH]) or _scratch()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the name of the session and its place to an xdist worker."""
    for key, name in _WORKER_INPUT.items():
        node.workerinput[name] = node.config.stash[key]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave a server that was lent to us as it was; our own go with all that is in them."""
    if hasattr(config, "workerinput"):
        return
    shutil.rmtree(f"{_session_folder(config)}-container", ignore_errors=True)
    dsn = os.environ.get("PGFLOW_TEST_DSN")
    if dsn:
        from pgflow_testing.databases import drop_template

        drop_template(dsn, config.stash[_SESSION_ID])


def _session_folder(config: pytest.Config) -> Path:
    return Path(config.stash[_SCRATCH], f"pgflow-tests-{config.stash[_SESSION_ID]}")


def _scratch() -> str:
    """Memory where there is plenty and no TMPDIR is set, else the folder for temporary files.

    A database is hundreds of small files, and each test has one: on a disk they cost more than most tests.
    """
    may_choose = "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK | os.X_OK)
    return _MEMORY if may_choose and shutil.disk_usage(_MEMORY).free >= _ROOM else tempfile.gettempdir()


@pytest.fixture(scope="session")
def pgflow_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A PostgreSQL server, shared by all workers; `dsn(database)` gives a connection string.

    Tests are skipped where the version that was asked for cannot be had.
    """
    from pgflow.embedded import BinariesMissing

    from pgflow_testing.servers import take_server

    try:
        server = take_server(_session_folder(pytestconfig))
    except BinariesMissing as error:
        pytest.skip(str(error))
    yield server
    server.leave()


@pytest.fixture(scope="session")
def pgflow_pooler(pgflow_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooler]:
    """PgBouncer with transaction pooling in front of the server; tests are skipped where there is none."""
    from pgflow_testing.pooler import PROGRAM_VARIABLE, find_pgbouncer, start_pooler

    program = find_pgbouncer()
    if program is None:
        pytest.skip(f"PgBouncer was not found: install it, or name it in {PROGRAM_VARIABLE}")
    pooler = start_pooler(program, pgflow_server.dsn("postgres"), tmp_path_factory.mktemp("pgbouncer"))
    yield pooler
    pooler.stop()


@pytest.fixture(scope="session")
def _pgflow_databases(pgflow_server: Server, pytestconfig: pytest.Config) -> Iterator[Databases]:
    import psycopg

    from pgflow_testing.databases import Databases

    with psycopg.connect(pgflow_server.dsn("postgres"), autocommit=True) as connection:
        databases = Databases(connection, pgflow_server.dsn, pytestconfig.stash[_SESSION_ID])
        databases.make_template()
        yield databases


@pytest.fixture
def pgflow_database(_pgflow_databases: Databases) -> Iterator[str]:
    """The DSN of a fresh database with the schema; fails the test if its invariants are broken at the end."""
    from pgflow_testing.databases import violations

    with _pgflow_databases.fresh() as dsn:
        yield dsn
        broken = violations(dsn)
    if broken:
        rows = "\n".join(map(str, broken))
        pytest.fail(f"pgflow.check_invariants() found after the test:\n{rows}", pytrace=False)


@pytest.fixture
def pgflow_empty_database(_pgflow_databases: Databases) -> Iterator[str]:
    """The DSN of a fresh database without the schema."""
    with _pgflow_databases.fresh(empty=True) as dsn:
        yield dsn


@pytest.fixture
def pgflow_connection(pgflow_database: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """An autocommit connection to `pgflow_database` whose rows are dicts."""
    import psycopg
    from psycopg.rows import dict_row

    connect = psycopg.Connection[dict[str, Any]].connect
    with connect(pgflow_database, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def drive(pgflow_database: str) -> Iterator[Driver]:
    """Runs flows to their end on `pgflow_database`, without waiting: `drive(flow, input).result`."""
    from pgflow_testing.driver import Driver

    with Driver(pgflow_database) as driver:
        yield driver
