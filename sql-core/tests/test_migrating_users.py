"""Who may migrate: a superuser, an administrator without superuser rights, the plain owner of a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pgflow_sql
import psycopg
import pytest
from pgflow.embedded import EmbeddedServer
from pgflow_testing.binaries import take_binaries
from psycopg import sql
from psycopg.conninfo import make_conninfo

from .test_roles import ROLES

PASSWORD = "not a secret"
DEFINITION = '{"flow_slug": "f", "steps": [{"step_slug": "a", "handler": "m:f"}]}'


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A cluster of one's own, of the version under test: roles are of the whole cluster."""
    version = os.environ.get("PGFLOW_TEST_POSTGRES") or "18"
    with EmbeddedServer.temporary(version=version, binaries=take_binaries(version)) as server:
        yield server


class Cluster:
    """A cluster without any role of PGFlow, at first."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.admin = psycopg.connect(server.dsn(), autocommit=True)
        self.databases: list[str] = []
        self.logins: list[str] = []

    def run(self, statement: str, *names: str) -> None:
        self.admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]

    def database(self, name: str, owner: str) -> str:
        self.databases.append(name)
        self.run("create database {} owner {}", name, owner)
        return name

    def login(self, name: str, options: str = "") -> str:
        self.logins.append(name)
        self.run(f"create role {{}} login password '{PASSWORD}' {options}", name)
        return name

    def dsn(self, database: str, user: str) -> str:
        return make_conninfo(self.server.dsn(database), user=user, password=PASSWORD)

    def roles(self) -> set[str]:
        found = self.admin.execute("select rolname from pg_roles where rolname = any(%s)", [ROLES])
        return {name for (name,) in found}

    def close(self) -> None:
        for database in self.databases:
            self.run("drop database {} with (force)", database)
        for role in (*self.roles(), *self.logins):
            self.run("drop role {}", role)
        self.admin.close()


@pytest.fixture
def cluster(server: EmbeddedServer) -> Iterator[Cluster]:
    cluster = Cluster(server)
    assert cluster.roles() == set()
    yield cluster
    cluster.close()


def migrate(dsn: str) -> list[str]:
    """Migrate; return what the database said of missing roles."""
    notices: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.add_notice_handler(
            lambda said: notices.append(f"{said.message_primary} {said.message_hint}")
        )
        pgflow_sql.migrate(connection)
    return notices


def call(dsn: str, statement: str | sql.Composable, role: str | None = None) -> Any:
    with psycopg.connect(dsn, autocommit=True) as connection:
        if role is not None:
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchone() if cursor.description else None


def works_for_its_owner(dsn: str) -> bool:
    call(dsn, f"select pgflow.define_flow('{DEFINITION}')")
    call(dsn, "select pgflow.run_flow('f')")
    return call(dsn, "select count(*) from pgflow.claim_step_tasks('local', 'w', 5)") == (1,)


def test_the_plain_owner_of_a_database_is_told_of_missing_roles(cluster: Cluster) -> None:
    owner = cluster.login("plain")
    dsn = cluster.dsn(cluster.database("shop", owner), owner)
    notices = migrate(dsn)
    assert cluster.roles() == set()
    for role, notice in zip(sorted(ROLES), sorted(notices), strict=True):
        for told in (f"role {role} does not exist", '"plain"', f"create role {role}", "pgflow.grant_roles()"):
            assert told in notice
    assert works_for_its_owner(dsn)


def test_roles_made_later_get_their_rights_by_a_call(cluster: Cluster) -> None:
    owner = cluster.login("plain")
    user = cluster.login("someone")
    dsn = cluster.dsn(cluster.database("shop", owner), owner)
    migrate(dsn)
    call(dsn, f"select pgflow.define_flow('{DEFINITION}')")
    for role in ROLES:
        cluster.run("create role {}", role)
    cluster.run("grant pgflow_client to {}", user)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        call(cluster.dsn("shop", user), "select created from pgflow.run_flow('f')")
    for _ in range(2):
        call(dsn, "select pgflow.grant_roles()")
    assert call(cluster.dsn("shop", user), "select created from pgflow.run_flow('f')") == (True,)
    assert call(dsn, "select owner from pgflow.runs") == ("someone",)


def test_an_administrator_who_is_no_superuser_makes_and_grants_roles(cluster: Cluster) -> None:
    """As `postgres` of Supabase and the master users of RDS and others."""
    owner = cluster.login("administrator", "createrole")
    dsn = cluster.dsn(cluster.database("shop", owner), owner)
    assert migrate(dsn) == []
    assert cluster.roles() == set(ROLES)
    assert works_for_its_owner(dsn)
    user = cluster.login("someone")
    call(dsn, sql.SQL("grant pgflow_client to {}").format(sql.Identifier(user)))
    assert call(cluster.dsn("shop", user), "select created from pgflow.run_flow('f')") == (True,)


def test_a_second_database_shares_the_roles_of_the_first(cluster: Cluster) -> None:
    first, second = cluster.login("first", "createrole"), cluster.login("second")
    for owner in (first, second):
        assert migrate(cluster.dsn(cluster.database(f"of_{owner}", owner), owner)) == []
    call(cluster.dsn("of_second", second), f"select pgflow.define_flow('{DEFINITION}')")
    dsn = cluster.server.dsn("of_second")
    assert call(dsn, "select created from pgflow.run_flow('f')", role="pgflow_client") == (True,)


def test_two_databases_are_migrated_at_the_same_time(cluster: Cluster) -> None:
    owner = cluster.login("administrator", "createrole")
    dsns = [cluster.dsn(cluster.database(f"shop_{i}", owner), owner) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(migrate, dsns)) == [[]] * 4
    assert cluster.roles() == set(ROLES)


def test_a_later_migration_leaves_nothing_for_everybody(cluster: Cluster) -> None:
    later = pgflow_sql.Migration(
        pgflow_sql.SCHEMA_VERSION + 1,
        "add_verbs",
        "create function pgflow.new_verb() returns int language sql as 'select 1';",
    )
    owner = cluster.login("administrator", "createrole")
    dsn = cluster.dsn(cluster.database("shop", owner), owner)
    with psycopg.connect(dsn, autocommit=True) as connection:
        pgflow_sql.migrate(connection, [*pgflow_sql.migrations(), later])
    for role in ROLES:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="new_verb"):
            call(cluster.server.dsn("shop"), "select pgflow.new_verb()", role=role)
