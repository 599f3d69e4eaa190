"""One process and its server."""

import os
import stat
import sys
from pathlib import Path

import psycopg
import pytest
from pgflow.embedded import THROWAWAY_SETTINGS, EmbeddedServer, Version

from .conftest import answers, wait_until


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("version", ["16", "18"])
def test_first_start_makes_a_cluster_of_the_version(tmp_path: Path, version: Version) -> None:
    with EmbeddedServer.ensure(tmp_path / "new" / "server", version=version) as server:
        assert not server.attached
        with psycopg.connect(server.dsn()) as connection:
            assert connection.info.server_version // 10000 == int(version)
            row = connection.execute(
                "select current_setting('fsync'), current_setting('timezone')"
            ).fetchone()
            assert row == ("on", "UTC")
    assert not answers(server.dsn())


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "data of Zoë's 'flows' %s" / ("deep" * 30)
    with EmbeddedServer.ensure(folder, settings=THROWAWAY_SETTINGS) as server:
        assert answers(server.dsn())


def test_data_and_password_survive_a_restart(folder: Path) -> None:
    with EmbeddedServer.ensure(folder) as server, psycopg.connect(server.dsn()) as connection:
        connection.execute("create table kept as select 42 as answer")
    with EmbeddedServer.ensure(folder) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_nobody_else_may_look_into_the_folder(folder: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir(mode=0o755)
    with EmbeddedServer.ensure(fresh, settings=THROWAWAY_SETTINGS):
        assert mode(fresh) == 0o700
        assert mode(fresh / "cluster") == 0o700
        assert mode(fresh / "password") == 0o600


def test_a_password_is_needed_and_only_this_machine_may_try(folder: Path) -> None:
    with EmbeddedServer.ensure(folder) as server:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.dsn(), password="guess")
        with psycopg.connect(server.dsn()) as connection:
            row = connection.execute("select current_setting('listen_addresses')").fetchone()
            assert row == ("127.0.0.1",)


def test_a_database_name_needs_no_care(folder: Path) -> None:
    with EmbeddedServer.ensure(folder) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute('create database "odd/na me?%"')
        with psycopg.connect(server.dsn("odd/na me?%")) as connection:
            assert connection.info.dbname == "odd/na me?%"


def test_the_password_is_not_in_the_repr_nor_in_the_process_list(folder: Path) -> None:
    with EmbeddedServer.ensure(folder) as server:
        password = (folder / "password").read_text()
        assert len(password) >= 32
        assert password not in repr(server)
        commands = [path for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
        assert not [path for path in commands if password in _read(path)]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:  # the process has ended
        return ""


def test_stop_twice_is_once(folder: Path) -> None:
    server = EmbeddedServer.ensure(folder)
    server.stop()
    server.stop()
    assert not answers(server.dsn())


def test_stop_ends_open_sessions(folder: Path) -> None:
    server = EmbeddedServer.ensure(folder)
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("select 1")
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")


def test_settings_reach_the_server(folder: Path) -> None:
    with (
        EmbeddedServer.ensure(folder, settings={**THROWAWAY_SETTINGS, "max_connections": "7"}) as server,
        psycopg.connect(server.dsn()) as connection,
    ):
        row = connection.execute(
            "select current_setting('max_connections'), current_setting('fsync')"
        ).fetchone()
        assert row == ("7", "off")


def test_the_log_of_the_run_before_is_kept(folder: Path) -> None:
    with EmbeddedServer.ensure(folder) as server:
        assert "ready to accept connections" in server.log_file.read_text()
    with EmbeddedServer.ensure(folder) as server:
        assert "database system is shut down" in server.log_file.with_suffix(".log.old").read_text()


def test_a_temporary_server_takes_its_folder_along() -> None:
    with EmbeddedServer.temporary() as server:
        folder = server.log_file.parent
        assert folder.exists()
    assert not folder.exists()
    assert not list(folder.parent.glob(f"{folder.name}*"))


def test_the_environment_of_the_user_does_not_reach_the_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("LC_ALL", "xx_XX.bogus")
    with EmbeddedServer.ensure(folder) as server:
        assert answers(server.dsn())


def test_a_crashed_server_is_started_again(folder: Path) -> None:
    from pgflow.embedded.supervisor.postgres import PidFile

    with EmbeddedServer.ensure(folder) as first:
        seen = PidFile.read(folder / "cluster")
        assert seen is not None
        os.kill(seen.pid, 9)
        wait_until(lambda: not answers(first.dsn()))
        with EmbeddedServer.ensure(folder) as second:
            assert answers(second.dsn())
