"""Open connections: named, kept alive, checked against the schema, and safe behind a pooler.

PgBouncer in transaction mode works everywhere except LISTEN.  A connection is taken for direct when the
server process says the pid that the connection start announced: a pooler announces one of its own.  Only a
direct connection uses prepared statements (about 0.1 ms less a call) and LISTEN.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from pgflow.database.execute import afetch, fetch
from pgflow.database.statements.operations import Probe, probe, probe_without_schema
from pgflow.errors import ConfigError, DatabaseUnreachable, SchemaTooNew, SchemaTooOld

__all__ = ["aconnect", "can_listen", "connect"]

_DEFAULTS: Final = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""libpq parameters that the DSN may override: a vanished server is noticed in about half a minute."""

_HINT: Final = "Is the server running"
"""How libpq's own mend begins; `_mend` says more."""

_PREPARE_AFTER: Final = 5
"""psycopg's own default: the statement is prepared at its fifth use."""


def connect(
    dsn: str, *, application_name: str = "pgflow", check_schema: bool = True
) -> psycopg.Connection[TupleRow]:
    """Open an autocommit connection.

    Raises ConfigError for a DSN that cannot be read, DatabaseUnreachable, and, unless `check_schema` is
    false, SchemaMissing, SchemaTooOld, SchemaTooNew or ForeignSchema.
    """
    conninfo = _conninfo(dsn, application_name)
    try:
        connection = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        _unreachable(conninfo, error)
    try:
        seen = fetch(connection, probe() if check_schema else probe_without_schema())
        _adopt(connection, seen)
    except BaseException:
        connection.close()
        raise
    return connection


async def aconnect(
    dsn: str, *, application_name: str = "pgflow", check_schema: bool = True, patience: float | None = None
) -> psycopg.AsyncConnection[TupleRow]:
    """Open an asynchronous autocommit connection; the same as `connect`.

    `patience` is in seconds: how long the server may take to answer the connection, and the network to take
    what is sent, unless the DSN says so itself.
    """
    conninfo = _conninfo(dsn, application_name, patience)
    try:
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        _unreachable(conninfo, error)
    try:
        seen = await afetch(connection, probe() if check_schema else probe_without_schema())
        _adopt(connection, seen)
    except BaseException:
        await connection.close()
        raise
    return connection


def can_listen(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Tell whether a connection of `connect` or `aconnect` is direct, so that LISTEN will hear something."""
    return connection.prepare_threshold is not None


def _conninfo(dsn: str, application_name: str, patience: float | None = None) -> str:
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        given = None
    # What libpq stumbled over, or took for a part of the host, may be the password: do not repeat it.
    if given is None or "@" in str(given.get("host", "")):
        raise ConfigError(
            "the DSN cannot be read: write postgresql://user:password@host:port/database, with special "
            "characters of the password percent-encoded, or host=... dbname=... user=..."
        )
    chosen = {**_DEFAULTS, **({} if patience is None else _within(patience))}
    return make_conninfo("", **{"application_name": application_name, **chosen, **given})


def _within(seconds: float) -> dict[str, int]:
    return {"connect_timeout": round(seconds), "tcp_user_timeout": round(seconds * 1000)}


def _unreachable(conninfo: str, error: psycopg.Error) -> NoReturn:
    parts = conninfo_to_dict(conninfo)
    host = parts.get("host") or parts.get("hostaddr") or "the default socket"
    database = f"database {parts['dbname']!r}" if parts.get("dbname") else "the user's own database"
    where = f"{host}, port {parts.get('port') or 5432}, {database}"
    said = [line for line in str(error).splitlines() if not line.strip().startswith(_HINT)]
    reason = " ".join(" ".join(said).split()).rstrip(".")
    stop = "" if reason.endswith("?") else "."
    raise DatabaseUnreachable(
        f"cannot connect to PostgreSQL at {where}: {reason}{stop} {_mend(reason)}", sqlstate=error.sqlstate
    ) from None


def _mend(reason: str) -> str:
    if "password" in reason or "authentication" in reason or "role " in reason:
        return "Check the user and the password of the DSN."
    if "database " in reason and "does not exist" in reason:
        return "Create that database, or name another one in the DSN."
    if "too many" in reason or "remaining connection slots" in reason:
        return "Raise max_connections, or connect through a pooler."
    return "Check that the server runs and that the DSN (PGFLOW_DSN, DATABASE_URL or pgflow.toml) names it."


def _adopt(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any], seen: Probe) -> None:
    if seen.schema_version is not None:
        _check_version(seen.schema_version)
    if seen.backend_pid == connection.info.backend_pid:
        connection.prepare_threshold = _PREPARE_AFTER


def _check_version(found: int) -> None:
    from pgflow_sql import SCHEMA_VERSION

    if found < SCHEMA_VERSION:
        raise SchemaTooOld(
            f"the database has PGFlow schema {found}, this library needs {SCHEMA_VERSION}: "
            "run `pgflow migrate`"
        )
    if found > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"the database has PGFlow schema {found}, this library knows {SCHEMA_VERSION}: "
            "upgrade pgflow-core"
        )
