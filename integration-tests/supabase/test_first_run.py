"""The page docs/how-to/supabase-project.md, played: from what init writes to a run that a user started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import CliRunner
from pgflow.embedded import BinariesMissing, EmbeddedServer
from pgflow_supabase.commands.supabase import command
from pgflow_testing.pooler import find_pgbouncer, start_pooler
from pgflow_testing.postgrest import find_postgrest, start_postgrest, token_for
from psycopg.conninfo import make_conninfo

from .conftest import OWNER, PASSWORD

pytestmark = pytest.mark.slow

SECONDS = 120.0
SECRET = "a signing secret of the tests"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A function that runs a `pgflow` command in the project; one that serves, until the test ends."""
    started: list[subprocess.Popen[str]] = []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PGFLOW_")}
    environment |= {"PGFLOW_EXECUTORS__SUPABASE__SIGNING_SECRET": SECRET, "NO_COLOR": "1"}

    def begin(*arguments: str, dsn: str = "", until: str | None = None) -> str:
        """Return what the command said, or the words of the line that matches."""
        log = tmp_path / f"log-{len(started)}"
        with log.open("w") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "pgflow.cli", *arguments],
                cwd=tmp_path,
                env={**environment, "PGFLOW_DSN": dsn},
                stdout=sink,
                stderr=sink,
                text=True,
            )
        started.append(process)
        deadline = time.monotonic() + SECONDS
        if until is None:
            assert process.wait(SECONDS) == 0, log.read_text()
            return log.read_text()
        while (found := re.search(until, log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        return found[1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(SECONDS)


def test_a_user_starts_the_flow_of_a_new_project(
    cluster: EmbeddedServer, run: Callable[..., str], tmp_path: Path
) -> None:
    """Through PgBouncer where it is installed: the dispatcher polls then, and doctor says so."""
    try:
        rest = find_postgrest()
    except BinariesMissing as error:
        pytest.skip(str(error))
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"create database first owner {OWNER}")
    direct = make_conninfo(cluster.dsn("first"), user=OWNER, password=PASSWORD)
    assert CliRunner().invoke(command, ["init", str(tmp_path)]).exit_code == 0
    with psycopg.connect(direct, autocommit=True) as owner:
        for file in sorted((tmp_path / "supabase" / "migrations").glob("*.sql")):
            owner.execute(file.read_bytes())
        owner.execute("select pgflow.open_flow('hello')")
    folder = tmp_path / "pgbouncer"
    folder.mkdir()
    program = find_pgbouncer()
    pooler = None if program is None else start_pooler(program, direct, folder)
    dsn = direct if pooler is None else pooler.dsn(direct)
    api = start_postgrest(rest, make_conninfo(direct, user="authenticator"), "anon")
    try:
        (tmp_path / "supabase/functions/.env").write_text(f"PGFLOW_SIGNING_SECRET={SECRET}\n")
        gateway = run("edge", "serve", "supabase/functions", "--port", "0", until=r"serving .*?(http\S+)")
        settings = tmp_path / "pgflow.toml"
        text = settings.read_text().replace("http://127.0.0.1:54321", gateway)
        reports = run("serve", "--http", "127.0.0.1:0", dsn=dsn, until=r"http://(\S+) serves")
        text = text.replace("http://127.0.0.1:8080", f"http://{reports}")
        settings.write_text(text.replace('"127.0.0.1:8080"', '"127.0.0.1:0"'))
        with httpx.Client(base_url=api.url, timeout=SECONDS, trust_env=False) as http:
            assert "already at schema version" in run("migrate", dsn=dsn)
            run("deploy", dsn=dsn)
            run("dispatch", dsn=dsn, until=r"http://(\S+) serves")
            http.headers["Authorization"] = f"Bearer {token_for('authenticated', sub='ada')}"
            (started,) = http.post("rpc/start_flow", json={"flow_slug": "hello", "input": "Ada"}).json()
            deadline = time.monotonic() + SECONDS
            while (shown := http.post("rpc/get_run", json={"run_id": started["run_id"]}).json())[
                "status"
            ] == "running":
                assert time.monotonic() < deadline, shown
                time.sleep(0.1)
            assert (shown["status"], shown["output"], shown["owner"]) == (
                *("completed", {"shout": "HELLO, ADA!"}),
                "ada",
            )
    finally:
        api.stop()
        if pooler is not None:
            pooler.stop()
    with psycopg.connect(direct, autocommit=True) as owner:
        assert owner.execute("select * from pgflow.check_invariants()").fetchall() == []
