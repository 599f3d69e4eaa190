"""Where a server spends its time: by plpgsql function, and by statement if it has pg_stat_statements."""

import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]

FLUSHED = 11.0  # an idle session hands in its counts after 10 s
LOOK_EVERY = 0.01
LIBRARY = "pg_stat_statements"

FUNCTIONS = """
select f.funcname, f.calls, f.self_time, f.total_time from pg_stat_user_functions f
where f.schemaname = 'pgflow' and f.calls > 0"""

STATEMENTS = """
select s.query, s.toplevel, s.calls, s.total_exec_time, s.wal_bytes, s.shared_blks_hit + s.shared_blks_read
from pg_stat_statements s join pg_database d on d.oid = s.dbid
where d.datname = %s and s.calls > 0"""

WORKING = "working"
SESSIONS = """
select coalesce(a.wait_event, %s) from pg_stat_activity a
where a.datname = %s and a.state = 'active'"""


@dataclass(frozen=True)
class Function:
    """Calls of a plpgsql function, and milliseconds: its own, and with all that it called."""

    name: str
    calls: int
    own_ms: float
    total_ms: float


@dataclass(frozen=True)
class Statement:
    """Calls of a statement, milliseconds, WAL bytes and buffers; `outer` if a client sent it."""

    text: str
    outer: bool
    calls: int
    ms: float
    wal_bytes: int
    buffers: int


def can_tell_statements(admin: Connection) -> bool:
    """Tell whether the server has loaded pg_stat_statements; creates its extension then."""
    row = admin.execute("select current_setting('shared_preload_libraries')").fetchone()
    assert row is not None
    if LIBRARY not in row[0]:
        return False
    admin.execute(f"create extension if not exists {LIBRARY}")
    return True


def settle() -> None:
    """Wait until idle sessions have handed in what they counted."""
    time.sleep(FLUSHED)


def forget(connection: Connection, admin: Connection, *, statements: bool) -> None:
    """Begin to count anew in the database of `connection`."""
    connection.execute("select pg_stat_reset()")
    if statements:
        admin.execute(
            "select pg_stat_statements_reset(0, d.oid, 0) from pg_database d where d.datname = %s",
            (connection.info.dbname,),
        )


def functions(connection: Connection) -> list[Function]:
    """Return what the functions of the schema took, the dearest first."""
    found = [Function(*row) for row in connection.execute(FUNCTIONS).fetchall()]
    return sorted(found, key=lambda one: -one.own_ms)


def statements(admin: Connection, database: str) -> list[Statement]:
    """Return what the statements of a database took, the dearest first."""
    rows = admin.execute(STATEMENTS, (database,)).fetchall()
    found = [
        Statement(" ".join(text.split()), outer, calls, ms, int(wal), int(buffers))
        for text, outer, calls, ms, wal, buffers in rows
    ]
    return sorted(found, key=lambda one: -one.ms)


@contextmanager
def waits(elsewhere: str, database: str) -> Generator[Counter[str]]:
    """Look meanwhile at what the sessions of a database wait for that have something to do.

    Gives how often for what; looks by the DSN of another database, so as not to be counted itself.
    """
    seen: Counter[str] = Counter()
    over = threading.Event()

    def look() -> None:
        with psycopg.connect(elsewhere, autocommit=True) as connection:
            while not over.wait(LOOK_EVERY):
                seen.update(event for (event,) in connection.execute(SESSIONS, (WORKING, database)))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()
