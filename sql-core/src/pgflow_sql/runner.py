"""Bring a database to the present schema, over any connection that looks like psycopg's."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pgflow_sql.errors import ForeignSchema, MigrationChanged, SchemaTooNew
from pgflow_sql.migration import LOCK_STATEMENT, Migration, install_script, migrations


class Cursor(Protocol):
    """What `Connection.execute` returns."""

    def fetchone(self) -> Any:
        """The next row: a sequence or a mapping with one entry per column."""
        ...


class Connection(Protocol):
    """The part of a psycopg connection that a migration needs."""

    def execute(self, query: bytes, /) -> Cursor:
        """Run one or more statements without parameters."""
        ...

    def transaction(self) -> AbstractContextManager[Any]:
        """A block that is committed as a whole, or not at all."""
        ...


_STATE = b"""
select pg_catalog.json_build_object(
    'database', pg_catalog.current_database(),
    'schemas', (
        select pg_catalog.json_agg(nspname order by nspname) from pg_catalog.pg_namespace
        where nspname in ('pgflow', 'pgflow_locks')
    ),
    'has_record', exists (
        select from pg_catalog.pg_attribute
        where attrelid = pg_catalog.to_regclass('pgflow.migrations') and attname = 'checksum'
    )
)::text
"""
_RECORD = b"""
select coalesce(pg_catalog.json_object_agg(version, checksum), '{}')::text from pgflow.migrations
"""


def installed_migrations(connection: Connection) -> dict[int, str]:
    """Checksum by version of what the database has; raises ForeignSchema when its schemas are not ours."""
    state = _read_json(connection, _STATE)
    if state["has_record"]:
        return {int(version): checksum for version, checksum in _read_json(connection, _RECORD).items()}
    if state["schemas"]:
        raise ForeignSchema(
            f"Database {state['database']!r} has a schema {' and '.join(state['schemas'])} that PGFlow's "
            "migrations did not make; the TypeScript pgflow installs one of that name. Use another database, "
            "or rename that schema (alter schema ... rename to ...), then migrate again."
        )
    return {}


def pending_migrations(connection: Connection, known: Sequence[Migration] | None = None) -> list[Migration]:
    """What the database lacks; raises SchemaTooNew or MigrationChanged when it went another way."""
    known = migrations() if known is None else known
    installed = installed_migrations(connection)
    newest, last = max(installed, default=0), len(known)
    if newest > last:
        raise SchemaTooNew(
            f"The database has PGFlow's schema in version {newest}, this release knows {last}. "
            "Upgrade the package pgflow-sql."
        )
    for migration in known[:newest]:
        if installed.get(migration.version) != migration.checksum:
            raise MigrationChanged(
                f"Migration {migration.version} ({migration.name}) of the database is not the one of this "
                "release: the file was changed after it was applied. Install the release that migrated the "
                "database, or drop the schemas pgflow and pgflow_locks, with all runs, and migrate again."
            )
    return list(known[newest:])


def migrate(connection: Connection, known: Sequence[Migration] | None = None) -> list[Migration]:
    """Apply what is missing, each migration in a transaction of its own; returns what was applied.

    Raises a subclass of MigrationError, and changes nothing, when the database is not one to migrate.
    """
    applied: list[Migration] = []
    while True:
        with connection.transaction():
            connection.execute(LOCK_STATEMENT.encode())
            pending = pending_migrations(connection, known)
            if not pending:
                return applied
            connection.execute(pending[0].statements().encode())
        applied.append(pending[0])


def install(connection: Connection) -> None:
    """Put the present schema into a database without one, by the short way, recorded as migrated."""
    with connection.transaction():
        connection.execute(install_script().encode())
        connection.execute("".join(migration.record for migration in migrations()).encode())


def _read_json(connection: Connection, query: bytes) -> dict[str, Any]:
    row: Mapping[str, str] | Sequence[str] = connection.execute(query).fetchone()
    text = next(iter(row.values())) if isinstance(row, Mapping) else row[0]
    loaded: dict[str, Any] = json.loads(text)
    return loaded
