"""Checks that compare the database with this client; the database's own are in `pgflow.doctor()`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pgflow_sql
from psycopg import Connection

from pgflow.cli._doctor.findings import Finding
from pgflow.cli._doctor.handlers import handlers
from pgflow.cli._doctor.steps import steps
from pgflow.config import Config
from pgflow.database.execute import fetch
from pgflow.database.statements.doctor import missing_indexes, read_clock
from pgflow.database.statements.operations import check_invariants
from pgflow.database.statements.operations import retention as read_retention

__all__ = ["CHECKS", "DEEP_CHECKS", "schema"]

_OLDEST_SERVER: Final = 15
_CLOCK_SECONDS: Final = 2.0

Check = Callable[[Connection[Any], Config], Iterator[Finding]]


def schema(connection: Connection[Any], _config: Config) -> Iterator[Finding]:
    """The schema is missing, somebody else's, or of another release."""
    try:
        pending = pgflow_sql.pending_migrations(connection)
    except pgflow_sql.MigrationError as error:
        mend = "nothing was changed; do what is said"
        yield Finding("schema", "error", type(error).__name__, str(error), mend)
        return
    if len(pending) == pgflow_sql.SCHEMA_VERSION:
        yield Finding(
            "schema", "error", "pgflow", "the database has no PGFlow schema", "run `pgflow migrate`"
        )
    elif pending:
        found = f"the database lacks {len(pending)} migrations of this release"
        yield Finding("schema", "error", "pgflow", found, "run `pgflow migrate`")


def server(connection: Connection[Any], _config: Config) -> Iterator[Finding]:
    """The server is older than PostgreSQL 15."""
    major = connection.info.server_version // 10000
    if major < _OLDEST_SERVER:
        found = f"this is PostgreSQL {major}, PGFlow needs {_OLDEST_SERVER} or newer"
        yield Finding("server", "error", "PostgreSQL", found, "upgrade the server")


def clock(connection: Connection[Any], _config: Config) -> Iterator[Finding]:
    """The clocks of this machine and of the server differ."""
    before = datetime.now(UTC)
    there = fetch(connection, read_clock())
    after = datetime.now(UTC)
    ahead = (before - there).total_seconds()
    behind = (there - after).total_seconds()
    if max(ahead, behind) > _CLOCK_SECONDS:
        way = f"{ahead:.0f} s ahead of" if ahead > 0 else f"{behind:.0f} s behind"
        found = f"this machine's clock is {way} the server's: times in logs and `--since` mislead"
        yield Finding("clock", "warning", "this machine", found, "let both follow a time server (NTP)")


def indexes(connection: Connection[Any], _config: Config) -> Iterator[Finding]:
    """An index of the schema is missing."""
    for name in fetch(connection, missing_indexes(pgflow_sql.index_names())):
        found = "this index is missing: statements read whole tables, and what it kept unique may not be"
        mend = f"run the statement that makes {name}: `pgflow migrate --sql` prints it"
        yield Finding("indexes", "error", name, found, mend)


def retention(connection: Connection[Any], _config: Config) -> Iterator[Finding]:
    """No retention is set: ended runs are kept for ever."""
    if fetch(connection, read_retention()) is None:
        found = "no retention is set: runs that ended are kept for ever, and their tables grow"
        mend = "say how long to keep them: `pgflow retention 30d`"
        yield Finding("retention", "note", "ended runs", found, mend)


def invariants(connection: Connection[Any], _config: Config) -> Iterator[Finding]:
    """What must always hold does not (only with --deep: it reads whole tables)."""
    for violation in fetch(connection, check_invariants()):
        mend = "report it with the history of the run; `pgflow retry` or `pgflow cancel` may free the run"
        yield Finding("invariants", "error", "check_invariants", violation, mend)


#: Name -> check, in the order they run, on a database whose schema is that of this release.
CHECKS: Final[Mapping[str, Check]] = {
    "server": server,
    "clock": clock,
    "indexes": indexes,
    "retention": retention,
    "handlers": handlers,
    "steps": steps,
}
DEEP_CHECKS: Final[Mapping[str, Check]] = {"invariants": invariants}
