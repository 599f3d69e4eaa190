"""Dispatchers as processes of their own, on a durable server that nobody else uses."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pgflow.embedded import EmbeddedServer
from pgflow_sql import migrate

from benchmarks.server import SETTINGS

ROOT = Path(__file__).parents[1]
SECONDS = 120.0
TOML = """pythonpath = ["{root}"]
[dispatcher]
grace = {grace}
[executors.local]
use = "local"
{settings}
"""


@contextmanager
def database() -> Generator[str]:
    """Start a durable server with the schema; give its DSN."""
    with EmbeddedServer.temporary(settings=SETTINGS) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            migrate(connection)
        yield server.dsn()


@contextmanager
def dispatching(
    dsn: str, folder: Path, *, grace: float = 60.0, **settings: int
) -> Generator[subprocess.Popen[bytes]]:
    """Run a dispatcher with these settings of the local executor; its log is `folder/log`."""
    folder.mkdir(exist_ok=True)
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    (folder / "pgflow.toml").write_text(TOML.format(root=ROOT, grace=grace, settings=lines))
    command = [sys.executable, "-m", "pgflow.cli", "dispatch", "--http", "127.0.0.1:0"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PGFLOW_DSN": dsn}, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(SECONDS)


def children(pid: int) -> list[int]:
    """Return the worker processes of a dispatcher."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def number(connection: psycopg.Connection, query: str) -> float:
    """Ask for one number."""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return float(row[0])


def wait_until_done(connection: psycopg.Connection) -> None:
    """Wait until no run is running."""
    while number(connection, "select count(*) from pgflow.runs where status = 'running'"):
        time.sleep(0.05)
