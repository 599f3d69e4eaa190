"""A server of its own whose backends stop before and after each statement that writes, to be killed there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pgflow_sql
import psycopg
from pgflow.embedded import EmbeddedServer
from pgflow_testing.binaries import take_binaries
from psycopg.rows import tuple_row

from .engine import Engine
from .sessions import backend_pid, until

# A commit must reach the operating system: it outlives the server, so no fsync.
_SETTINGS = {"fsync": "off", "full_page_writes": "off"}

# Statements that only read or lock leave nothing behind: a crash in one is a crash after the write before it.
# The constraint trigger fires inside COMMIT.
_STOPS = """
create schema stops;
create function stops.stop() returns trigger language plpgsql as $$
declare
  v_seen int := coalesce(nullif(current_setting('stops.seen', true), ''), '0')::int + 1;
begin
  perform set_config('stops.seen', v_seen::text, false);
  if v_seen::text = current_setting('stops.at', true) then
    perform pg_sleep(60);
  end if;
  return null;
end $$;
do $$
declare
  v_table regclass;
begin
  for v_table in
    select c.oid from pg_class c where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'r'
  loop
    execute format('create trigger before before insert or update or delete on %s
      execute function stops.stop()', v_table);
    execute format('create trigger after after insert or update or delete on %s
      execute function stops.stop()', v_table);
  end loop;
end $$;
create constraint trigger commit after update on pgflow.run_steps deferrable initially deferred
  for each row execute function stops.stop();
"""


class Crashes:
    """The server, and its backends in the act."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.connections: list[psycopg.Connection[Any]] = []

    def open(self) -> Engine:
        """Open a session as soon as the server takes one."""

        def connect() -> psycopg.Connection[Any] | None:
            try:
                return psycopg.connect(self.dsn, autocommit=True)
            except psycopg.OperationalError:
                return None

        self.connections.append(cast("psycopg.Connection[Any]", until(connect)))
        return Engine(self.connections[-1])

    def stop_at(self, engine: Engine, number: int) -> None:
        """Have the session's next call stop at its so manieth statement; 0 for nowhere."""
        engine.rows("select set_config('stops.at', %s, false)", str(number))
        engine.rows("select set_config('stops.seen', '0', false)")

    def seen(self, engine: Engine) -> int:
        """Return how many stops the last call passed."""
        return int(engine.value("select current_setting('stops.seen')"))

    def has_stopped(self, observer: Engine, engine: Engine) -> bool:
        """Whether the session has stopped."""
        query = "select 1 from pg_stat_activity where pid = %s and wait_event = 'PgSleep'"
        return bool(observer.rows(query, backend_pid(engine)))

    def kill(self, engine: Engine) -> None:
        """Kill the session's backend; return when the server has lost all its sessions."""
        os.kill(backend_pid(engine), signal.SIGKILL)
        for connection in self.connections:
            until(lambda connection=connection: _is_lost(connection))
            connection.close()
        self.connections.clear()


def _is_lost(connection: psycopg.Connection[Any]) -> bool:
    if connection.closed or connection.pgconn.status != psycopg.pq.ConnStatus.OK:
        return True
    try:
        with connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute("select 1")
    except psycopg.OperationalError:
        return True
    return False


@contextmanager
def crash_server() -> Iterator[Crashes]:
    """Start such a server with PGFlow in it."""
    version = os.environ.get("PGFLOW_TEST_POSTGRES") or "18"
    with EmbeddedServer.temporary(
        version=version, binaries=take_binaries(version), settings=_SETTINGS
    ) as server:
        with psycopg.connect(server.dsn()) as connection:
            pgflow_sql.install(connection)
            connection.execute(_STOPS)
        crashes = Crashes(server.dsn())
        yield crashes
        for connection in crashes.connections:
            connection.close()
