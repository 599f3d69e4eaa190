"""Databases for tests: one template with the schema, one copy of it per test."""

import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, LiteralString

import pgflow_sql
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

_TEMPLATE_LOCK = 7150190


class Databases:
    """Makes and drops the databases of a session over one connection."""

    def __init__(
        self, connection: psycopg.Connection[Any], dsn: Callable[[str], str], session_id: str
    ) -> None:
        self._connection = connection
        self._dsn = dsn
        self._template = template_name(session_id)

    @contextmanager
    def fresh(self, *, empty: bool = False) -> Generator[str]:
        """The DSN of a database of one's own, with PGFlow's schema unless `empty`."""
        name = f"pgflow_test_{uuid.uuid4().hex[:12]}"
        self._run("create database {} template {}", name, "template0" if empty else self._template)
        try:
            yield self._dsn(name)
        finally:
            self._run("drop database if exists {} with (force)", name)

    def make_template(self) -> None:
        """Make the template unless another process of the session has; it stays for the rest of them."""
        # `create database` may not run in a transaction, hence the session-level lock.
        self._connection.execute("select pg_advisory_lock(%s)", [_TEMPLATE_LOCK])
        try:
            query = "select 1 from pg_database where datname = %s"
            if self._connection.execute(query, [self._template]).fetchone() is None:
                draft = f"{self._template}_draft"
                self._run("drop database if exists {} with (force)", draft)
                self._run("create database {} template template0", draft)
                with psycopg.connect(self._dsn(draft)) as connection:
                    pgflow_sql.install(connection)
                self._run("alter database {} rename to {}", draft, self._template)
        finally:
            self._connection.execute("select pg_advisory_unlock(%s)", [_TEMPLATE_LOCK])

    def _run(self, statement: LiteralString, *names: str) -> None:
        self._connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def template_name(session_id: str) -> str:
    """The name of a session's template database."""
    return f"pgflow_template_{session_id}"


def drop_template(dsn: str, session_id: str) -> None:
    """Drop the template of a session that has ended, on a server that outlives the session."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        name = sql.Identifier(template_name(session_id))
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))


def violations(dsn: str) -> list[dict[str, Any]]:
    """The rows of `pgflow.check_invariants()`: none in a sound database."""
    connect = psycopg.Connection[dict[str, Any]].connect
    with connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        return connection.execute("select * from pgflow.check_invariants()").fetchall()
