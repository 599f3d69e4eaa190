"""A database as Supabase makes it: a migrating role without superuser rights, and the roles of the API."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from pgflow.embedded import EmbeddedServer
from pgflow_supabase.commands.supabase import command
from pgflow_testing.binaries import take_binaries
from psycopg.conninfo import make_conninfo

STAND_INS = Path(__file__).parent / "stand_ins.sql"
PASSWORD = "not-a-secret"
OWNER = "project_owner"
"""Supabase's `postgres`: may make roles and passes by row level security, but is no superuser."""

_ROLES = f"""
create role anon nologin inherit;
create role authenticated nologin inherit;
create role service_role nologin inherit bypassrls;
create role authenticator login noinherit password '{PASSWORD}';
grant anon, authenticated, service_role to authenticator;
create role {OWNER} login createrole createdb bypassrls nosuperuser password '{PASSWORD}';
"""
_ADMIN_OF_THE_ROLES = f"grant anon, authenticated, service_role to {OWNER} with admin option"


@dataclass
class Project:
    """A database that the migrations of `pgflow supabase init` were applied to, by its owner."""

    dsn: str
    owner: psycopg.Connection[Any]
    gate: psycopg.Connection[Any]
    """The session of `authenticator`."""
    notices: list[str] = field(default_factory=list)

    def value(self, query: str, *params: Any) -> Any:
        """Return the only value of a statement of the owner."""
        return self.owner.execute(query, params or None).fetchone()[0]

    @contextmanager
    def signed_in(self, role: str, subject: str | None = None) -> Iterator[psycopg.Connection[Any]]:
        """A transaction of a request, as PostgREST opens it."""
        claims = f'{{"role": "{role}"' + (f', "sub": "{subject}"}}' if subject else "}")
        with self.gate.transaction():
            self.gate.execute(f"set local role {role}")
            self.gate.execute("select set_config('request.jwt.claims', %s, true)", [claims])
            yield self.gate

    def asked(self, role: str, subject: str | None, query: str, *params: Any) -> Any:
        """Return the first value that a request gets."""
        with self.signed_in(role, subject) as gate:
            row = gate.execute(query, params or None).fetchone()
        return None if row is None else row[0]


@pytest.fixture(scope="session")
def cluster() -> Iterator[EmbeddedServer]:
    """A cluster with the roles of Supabase, of the version under test."""
    version = os.environ.get("PGFLOW_TEST_POSTGRES") or "18"
    with EmbeddedServer.temporary(version=version, binaries=take_binaries(version)) as server:
        create_roles(server)
        yield server


def create_roles(server: EmbeddedServer) -> None:
    """Make the roles of Supabase, and a database owner like its `postgres`."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(_ROLES)
        admin.execute(_ADMIN_OF_THE_ROLES)


@pytest.fixture(scope="session")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The text of the migrations that `pgflow supabase init` writes, in order."""
    folder = tmp_path_factory.mktemp("project")
    done = CliRunner().invoke(command, ["init", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [path.read_text() for path in sorted((folder / "supabase" / "migrations").glob("*.sql"))]


@contextmanager
def opened_project(
    cluster: EmbeddedServer, name: str, migrations: list[str], stand_ins: bool
) -> Iterator[Project]:
    """A migrated database; `stand_ins` has the functions of pg_cron, pg_net and Realtime first."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"create database {name} owner {OWNER}")
    if stand_ins:
        with psycopg.connect(cluster.dsn(name), autocommit=True) as admin:
            admin.execute(STAND_INS.read_text().encode())
    dsn = make_conninfo(cluster.dsn(name), user=OWNER, password=PASSWORD)
    gate = make_conninfo(cluster.dsn(name), user="authenticator", password=PASSWORD)
    with (
        psycopg.connect(dsn, autocommit=True) as owner,
        psycopg.connect(gate, autocommit=True) as session,
    ):
        project = Project(dsn, owner, session)
        owner.add_notice_handler(lambda said: project.notices.append(said.message_primary or ""))
        for text in migrations:
            owner.execute(text.encode())
        yield project
        assert owner.execute("select * from pgflow.check_invariants()").fetchall() == []
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def project(cluster: EmbeddedServer, migrations: list[str]) -> Iterator[Project]:
    """A project without any extension."""
    with opened_project(cluster, "plain", migrations, stand_ins=False) as opened:
        for flow in ("shop", "closed"):
            opened.owner.execute("select pgflow.define_flow(pgflow.flow(%s, pgflow.step('a')))", [flow])
        opened.owner.execute("select pgflow.open_flow('shop')")
        yield opened
