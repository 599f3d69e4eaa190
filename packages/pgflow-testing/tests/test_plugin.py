"""The plugin as a user's test session sees it: each test below runs a session of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from pgflow.embedded import EmbeddedServer
from pgflow_testing import plugin

pytest_plugins = ["pytester"]

APART = """
    import psycopg

    def test_one(pgflow_database):
        with psycopg.connect(pgflow_database) as connection:
            assert connection.execute("select to_regclass('public.mark')").fetchone() == (None,)
            connection.execute("create table public.mark ()")

    def test_other(pgflow_database):
        test_one(pgflow_database)
"""


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sessions put their servers, so that what they leave can be seen."""
    (tmp_path / "t").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    monkeypatch.delenv("PGFLOW_TEST_DSN", raising=False)


def left_behind(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "t").glob("pgflow*"))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


def test_each_test_has_a_database_of_its_own_with_the_schema(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    pytester.makepyfile(
        test_apart=APART,
        test_connection="""
        def test_connection(pgflow_connection):
            row = pgflow_connection.execute("select pgflow.schema_version() as version").fetchone()
            assert row == {"version": 1}
            assert pgflow_connection.autocommit
        """,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=3)
    assert left_behind(tmp_path) == []


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no folder in memory")
@pytest.mark.parametrize(("room", "is_in_memory"), [(0, True), (1 << 60, False)])
def test_the_server_is_in_memory_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, room: int, is_in_memory: bool
) -> None:
    monkeypatch.setattr(plugin, "_ROOM", room)
    assert plugin._scratch() == tempfile.gettempdir()
    monkeypatch.delenv("TMPDIR")
    assert (plugin._scratch() == "/dev/shm") == is_in_memory


@pytest.mark.slow
def test_an_empty_database_is_empty(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import psycopg

        def test_empty(pgflow_empty_database):
            with psycopg.connect(pgflow_empty_database) as connection:
                query = "select to_regnamespace('pgflow')"
                assert connection.execute(query).fetchone() == (None,)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.slow
def test_xdist_workers_share_a_server_and_a_template(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        """
        import os
        import pathlib

        import psycopg
        import pytest

        @pytest.mark.parametrize("turn", range(4))
        def test_shared(pgflow_database, pgflow_server, turn):
            query = "select count(*) from pg_database where datname like 'pgflow_template%'"
            with psycopg.connect(pgflow_server.dsn("postgres")) as connection:
                (templates,) = connection.execute(query).fetchone()
                port = connection.info.port
            name = f"{os.environ['PYTEST_XDIST_WORKER']}-{port}-{templates}"
            (pathlib.Path(os.environ["SEEN"]) / name).touch()
        """
    )
    seen = tmp_path / "seen"
    seen.mkdir()
    monkeypatch.setenv("SEEN", str(seen))
    assert pytester.runpytest_subprocess("-n", "2", "--dist", "each").ret == 0
    workers, ports, templates = zip(*(path.name.split("-") for path in seen.iterdir()), strict=True)
    assert (sorted(workers), len(set(ports)), set(templates)) == (["gw0", "gw1"], 1, {"1"})
    assert left_behind(tmp_path) == []


@pytest.mark.slow
def test_a_broken_invariant_fails_the_test_that_broke_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_breaks(pgflow_connection):
            pgflow_connection.execute(
                "select pgflow.define_flow(pgflow.flow('f', pgflow.step('a')))"
            )
            pgflow_connection.execute("select * from pgflow.run_flow('f')")
            pgflow_connection.execute("delete from pgflow.ready_tasks")

        def test_does_not(pgflow_connection):
            pass
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*check_invariants() found after the test*"])


@pytest.mark.slow
def test_a_session_that_needs_no_database_starts_no_server(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_light():
            assert "psycopg" not in sys.modules
            assert "pgflow" not in sys.modules
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    assert left_behind(tmp_path) == []


@pytest.mark.slow
def test_a_server_that_is_named_is_used_and_left_as_it_was(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(APART)
    with EmbeddedServer.temporary() as server:
        monkeypatch.setenv("PGFLOW_TEST_DSN", server.dsn())
        pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=2)
        assert left_behind(tmp_path) == []
        with psycopg.connect(server.dsn()) as connection:
            names = connection.execute("select datname from pg_database order by 1").fetchall()
        assert [name for (name,) in names] == ["postgres", "template0", "template1"]


@pytest.mark.slow
def test_a_killed_session_leaves_no_server(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(
        """
        import os, pathlib, time

        def test_long(pgflow_database):
            pathlib.Path(os.environ["READY"]).touch()
            time.sleep(600)
        """
    )
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1"]
    with subprocess.Popen(
        command, env=os.environ | {"READY": str(ready)}, start_new_session=True, stdout=subprocess.DEVNULL
    ) as session:
        try:
            wait_until(ready.exists)
            assert left_behind(tmp_path) != []
        finally:
            os.killpg(session.pid, signal.SIGKILL)
    wait_until(lambda: left_behind(tmp_path) == [])


@pytest.mark.slow
def test_a_version_that_cannot_be_had_skips_the_tests(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    pytester.makepyfile(test_apart=APART)
    result = pytester.runpytest_subprocess("--postgres", "15", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*npm could not fetch*"])


@pytest.mark.slow
def test_the_version_can_be_chosen(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_version(pgflow_connection):
            assert pgflow_connection.info.server_version // 10000 == 16
    """)
    pytester.runpytest_subprocess("--postgres", "16").assert_outcomes(passed=1)
