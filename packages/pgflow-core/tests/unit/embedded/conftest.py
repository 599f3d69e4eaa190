import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pgflow.embedded import THROWAWAY_SETTINGS, EmbeddedServer
from pgflow.embedded.supervisor.postgres import PidFile

_USER = """
import json, pathlib, sys
from pgflow.embedded import THROWAWAY_SETTINGS, EmbeddedServer
options = {"settings": THROWAWAY_SETTINGS, **json.loads(sys.argv[2])}
server = EmbeddedServer.ensure(pathlib.Path(sys.argv[1]), **options)
print(json.dumps({"attached": server.attached, "dsn": server.dsn()}), flush=True)
sys.stdin.read()
server.stop()
"""


@dataclass
class User:
    """Another process that uses a server until its input ends or it is killed."""

    process: subprocess.Popen[str]
    attached: bool
    dsn: str


@contextmanager
def user_of(folder: Path, *, popen: dict[str, Any] | None = None, **options: Any) -> Generator[User]:
    command = [sys.executable, "-c", _USER, str(folder), json.dumps(options)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **(popen or {})
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            yield User(process, **json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(timeout=60)


@pytest.fixture(scope="session")
def _stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded") / "server"
    EmbeddedServer.ensure(folder, settings=THROWAWAY_SETTINGS).stop()
    return folder


@pytest.fixture
def folder(_stopped: Path, tmp_path: Path) -> Path:
    """The folder of a server that was stopped cleanly: spares a test the making of a cluster."""
    return Path(shutil.copytree(_stopped, tmp_path / "server"))


def wait_until(condition: Callable[[], bool], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


def answers(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def postmaster(folder: Path) -> int:
    seen = PidFile.read(folder / "cluster")
    assert seen is not None
    return seen.pid
