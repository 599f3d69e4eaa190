"""The parts that can be had without Docker, for real: the Supabase CLI, pg_cron, PgBouncer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pgflow_sql
import psycopg
import pytest
from click.testing import CliRunner
from pgflow.embedded import THROWAWAY_SETTINGS, BinariesMissing, EmbeddedServer
from pgflow_supabase.commands.supabase import command
from pgflow_testing.binaries import cache_folder, npm_pack, take_binaries
from pgflow_testing.pooler import find_pgbouncer, start_pooler
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from .conftest import OWNER, PASSWORD, Project, create_roles

SCRIPTS = Path(__file__).parents[2] / "scripts"
SECONDS = 300.0
_CLI = "3.1.0"
_CRON = "postgresql-15-cron"


@pytest.fixture(scope="module")
def supabase_cli() -> Path:
    """The program of the Supabase CLI, downloaded on first use."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("the Supabase CLI is tried on Linux x64")
    program = cache_folder("supabase-cli") / _CLI / "package" / "bin" / "supabase"
    if not program.exists():
        folder = program.parents[2]
        folder.mkdir(parents=True, exist_ok=True)
        try:
            npm_pack(f"@supabase/cli-linux-x64@{_CLI}", folder)
        except BinariesMissing as error:
            pytest.skip(str(error))
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        archive.unlink()
    program.chmod(0o755)
    return program


@pytest.mark.slow
def test_the_supabase_cli_applies_what_init_writes(
    cluster: EmbeddedServer, supabase_cli: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "DO_NOT_TRACK": "1"}

    def supabase(*arguments: str) -> str:
        done = subprocess.run(
            [supabase_cli, *arguments],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"create database pushed owner {OWNER}")
    server = conninfo_to_dict(cluster.dsn("pushed"))
    url = f"postgresql://{OWNER}:{PASSWORD}@{server['host']}:{server['port']}/pushed"
    url += "?sslmode=disable"
    supabase("init")
    done = CliRunner().invoke(command, ["init", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    applied = supabase("db", "push", "--db-url", url, "--yes")
    assert "pgflow_0001_initial" in applied
    assert "up to date" in supabase("db", "push", "--db-url", url, "--yes")
    with psycopg.connect(url, autocommit=True) as connection:
        assert pgflow_sql.pending_migrations(connection) == []
        rights = "select pg_has_role('authenticated', 'pgflow_user', 'usage')"
        assert connection.execute(rights).fetchone() == (True,)
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute("drop database pushed with (force)")


@pytest.fixture(scope="module")
def cron_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """PostgreSQL 15 with Debian's pg_cron."""
    sys.path.insert(0, str(SCRIPTS))
    from debian import CACHE, unpack

    package = CACHE / "pg_cron"
    libraries = package / "usr" / "lib" / "postgresql" / "15" / "lib"
    try:
        if not libraries.exists():
            unpack(package, _CRON)
        native = take_binaries("15").parent
    except (OSError, subprocess.CalledProcessError, BinariesMissing) as error:
        pytest.skip(f"no pg_cron: {error}")
    home = tmp_path_factory.mktemp("cron") / "postgresql"
    shutil.copytree(native, home, symlinks=True)
    shutil.copy(libraries / "pg_cron.so", home / "lib" / "postgresql")
    for file in (package / "usr" / "share" / "postgresql" / "15" / "extension").iterdir():
        shutil.copy(file, home / "share" / "postgresql" / "extension")
    settings = {
        **THROWAWAY_SETTINGS,
        "shared_preload_libraries": "pg_cron",
        "cron.database_name": "scheduled",
        "cron.use_background_workers": "on",
    }
    with EmbeddedServer.temporary(version="15", binaries=home / "bin", settings=settings) as server:
        yield server


@pytest.mark.slow
def test_the_real_pg_cron_does_the_upkeep(cron_server: EmbeddedServer, migrations: list[str]) -> None:
    """A task whose worker vanished is found lost by the job, with no dispatcher about."""
    create_roles(cron_server)
    with psycopg.connect(cron_server.dsn(), autocommit=True) as admin:
        admin.execute(f"create database scheduled owner {OWNER}")
    with psycopg.connect(cron_server.dsn("scheduled"), autocommit=True) as admin:
        admin.execute("create extension pg_cron")
        admin.execute(f"grant usage on schema cron to {OWNER}")
    dsn = make_conninfo(cron_server.dsn("scheduled"), user=OWNER, password=PASSWORD)
    with psycopg.connect(dsn, autocommit=True) as owner:
        for text in migrations:
            owner.execute(text.encode())
        jobs = "select jobname, username, command from cron.job"
        assert owner.execute(jobs).fetchall() == [("pgflow-upkeep", OWNER, "select pgflow_supabase.upkeep()")]
        owner.execute("select pgflow.define_flow(pgflow.flow('shop', pgflow.step('a')))")
        owner.execute("select pgflow.run_flow('shop')")
        owner.execute("select pgflow.claim_step_tasks('local', 'gone', 1, 1)")
        deadline = time.monotonic() + SECONDS
        while not owner.execute("select outcome from pgflow.step_task_attempts").fetchall():
            assert time.monotonic() < deadline, "the job never ran"
            time.sleep(0.2)
        assert owner.execute("select outcome from pgflow.step_task_attempts").fetchall() == [("lost",)]
        owner.execute("select pgflow_supabase.install()")
        assert len(owner.execute(jobs).fetchall()) == 1
        assert owner.execute("select * from pgflow.check_invariants()").fetchall() == []


def test_users_stay_apart_behind_a_transaction_pooler(
    cluster: EmbeddedServer, project: Project, tmp_path: Path
) -> None:
    """Role and claims end with their transaction, so the next user of the connection is nobody at first."""
    program = find_pgbouncer()
    if program is None:
        pytest.skip("PgBouncer is not installed")
    direct = make_conninfo(project.dsn, user="authenticator", password=PASSWORD)
    pooler = start_pooler(program, direct, tmp_path)
    try:
        with psycopg.connect(pooler.dsn(direct), autocommit=True, prepare_threshold=None) as gate:
            pooled = Project(project.dsn, project.owner, gate)
            start = "select run_id from pgflow.start_flow('shop')"
            runs: dict[str, Any] = {
                name: pooled.asked("authenticated", name, start) for name in ("pooled-ada", "pooled-eve")
            }
            for name, run_id in runs.items():
                ids = pooled.asked("authenticated", name, "select array_agg(run_id) from pgflow.runs")
                assert ids == [run_id]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                gate.execute("select count(*) from pgflow.runs")
    finally:
        pooler.stop()
