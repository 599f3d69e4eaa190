"""Where tests get a PostgreSQL server from, and how the workers of one session share it."""

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pgflow.embedded import THROWAWAY_SETTINGS, EmbeddedServer
from pgflow.embedded.supervisor.locks import FileLock

from pgflow_testing.binaries import take_binaries

DSN_VARIABLE = "PGFLOW_TEST_DSN"
VERSION_VARIABLE = "PGFLOW_TEST_POSTGRES"

# Many databases come and go, and many tests hold several connections each.
_SETTINGS = {**THROWAWAY_SETTINGS, "max_connections": "200"}
_START_SECONDS = 300
_LAST_USER_SECONDS = 3600


@dataclass(frozen=True)
class Server:
    """A running server and how this process lets go of it."""

    origin: str
    dsn: Callable[[str], str]
    leave: Callable[[], None]


def take_server(session: Path) -> Server:
    """The server of PGFLOW_TEST_DSN, else a container if a Docker daemon answers, else the embedded one.

    PGFLOW_TEST_POSTGRES chooses the version of the latter two; raises BinariesMissing if it cannot be had.
    `session` is a folder that all processes of one test session name; it goes with the server.
    """
    dsn = os.environ.get(DSN_VARIABLE)
    if dsn:
        return Server(DSN_VARIABLE, lambda database: _with_database(dsn, database), lambda: None)
    version = os.environ.get(VERSION_VARIABLE) or "18"
    if docker_answers() and (container := _shared_container(container_folder(session), version)) is not None:
        return container
    binaries = take_binaries(version)
    server = EmbeddedServer.ensure(
        session, version=version, binaries=binaries, temporary=True, settings=_SETTINGS
    )
    return Server("embedded", server.dsn, server.stop)


def container_folder(session: Path) -> Path:
    """Where the processes of a session tell each other of their container; removed at the session's end."""
    return session.with_name(f"{session.name}-container")


def docker_answers() -> bool:
    """Whether something listens where the Docker daemon should; costs no import and no wait without one."""
    host = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    try:
        if host.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                probe.connect(host.path)
        elif host.hostname is not None:
            socket.create_connection((host.hostname, host.port or 2375), timeout=1).close()
        else:
            return False
    except (OSError, AttributeError):  # Windows has no AF_UNIX
        return False
    return True


def _shared_container(folder: Path, version: str) -> Server | None:
    folder.mkdir(parents=True, exist_ok=True)
    users, address = FileLock(folder / "users.lock"), folder / "dsn"
    container = None
    with FileLock(folder / "start.lock").held(timeout=_START_SECONDS):
        users.acquire(exclusive=False, timeout=_START_SECONDS)
        if not address.exists():
            container = _start_container(version)
            address.write_text(container.get_connection_url(driver=None) if container else "")
    dsn = address.read_text()

    def leave() -> None:
        users.release()
        # The container dies with the process that started it, so that one waits for the others.
        if container is not None and users.acquire(exclusive=True, timeout=_LAST_USER_SECONDS):
            container.stop()
            users.release()

    if not dsn:
        leave()
        return None
    return Server("container", lambda database: _with_database(dsn, database), leave)


def _start_container(version: str) -> Any:
    """A started container, or None if testcontainers or the image is missing and cannot be had."""
    try:
        from testcontainers.community.postgres import PostgresContainer
    except ImportError:
        return None
    command = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    try:
        return PostgresContainer(f"postgres:{version}-alpine").with_command(f"postgres {command}").start()
    except Exception as error:  # no image, no network, no disk: tests can do without a container
        logging.getLogger(__name__).warning("No container, the embedded server is used instead: %s", error)
        return None


def _with_database(dsn: str, database: str) -> str:
    from psycopg.conninfo import make_conninfo

    return make_conninfo(dsn, dbname=database)
