"""The methods of psycopg 3 that send something."""

from psycopg import AsyncCursor, Cursor
from psycopg._connection_base import BaseConnection

from benchmarks.drivers import calls


def watch() -> None:
    """Count what psycopg 3 sends from now on, sync and async."""
    calls.watch(Cursor, "execute", "executemany")
    calls.watch(AsyncCursor, "execute", "executemany")
    calls.watch(BaseConnection, "_exec_command")  # BEGIN, COMMIT, SAVEPOINT
