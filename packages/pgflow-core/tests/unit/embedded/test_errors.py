"""What stands in the way is named, with where and how to mend it."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pgflow.embedded import (
    THROWAWAY_SETTINGS,
    BinariesMissing,
    EmbeddedError,
    EmbeddedServer,
    NotOurFolder,
    OtherVersion,
    PortTaken,
    ServerFailed,
)
from pgflow.errors import PgflowError

from .conftest import answers


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(NotOurFolder, match="Choose another folder") as caught:
        EmbeddedServer.ensure(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "server").write_text("")
    with pytest.raises(NotOurFolder, match="is a file"):
        EmbeddedServer.ensure(tmp_path / "server")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedError, match=r"Not a directory\. Choose another folder"):
        EmbeddedServer.ensure(tmp_path / "file" / "server")


def test_a_cluster_of_another_version_is_named(folder: Path) -> None:
    with pytest.raises(OtherVersion, match="PostgreSQL 18 cluster, PostgreSQL 16 cannot open it"):
        EmbeddedServer.ensure(folder, version="16")
    with EmbeddedServer.ensure(folder) as server:
        assert answers(server.dsn())


def test_a_taken_port_is_named_and_a_free_one_used(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} on 127.0.0.1 is taken"):
            EmbeddedServer.ensure(folder, port=port)
    with EmbeddedServer.ensure(folder, port=port) as server:
        assert server.port == port
        assert answers(server.dsn())


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BinariesMissing, match="versions 16, 18, not '9'"):
        EmbeddedServer.ensure(tmp_path / "server", version="9")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_platform_without_binaries_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BinariesMissing, match="PGFLOW_DSN"):
        EmbeddedServer.ensure(tmp_path / "server")


def test_a_bad_setting_shows_the_words_of_postgres(folder: Path) -> None:
    with pytest.raises(ServerFailed, match='invalid value for parameter "work_mem"') as caught:
        EmbeddedServer.ensure(folder, settings={"work_mem": "plenty"})
    assert isinstance(caught.value, PgflowError)
    with EmbeddedServer.ensure(folder) as server:
        assert answers(server.dsn())


def test_a_damaged_cluster_shows_the_words_of_postgres(folder: Path) -> None:
    (folder / "cluster" / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(ServerFailed, match="pg_control"):
        EmbeddedServer.ensure(folder)


def test_a_failed_temporary_server_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ServerFailed):
        EmbeddedServer.temporary(settings={"work_mem": "plenty"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ("could not write: No space left on device", "the disk is full"),
        ("initdb: error: cannot be run as root", "run as another user"),
        ("something never seen", "PGFLOW_DSN"),
    ],
)
def test_known_troubles_come_with_a_mend(tmp_path: Path, words: str, mend: str) -> None:
    error = ServerFailed("PostgreSQL did not start", tmp_path, words)
    assert mend in str(error)
    assert words in str(error)
    assert str(tmp_path) in str(error)


def test_half_a_cluster_of_a_killed_start_is_made_anew(tmp_path: Path, folder: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    (half / "cluster").rename(half / "cluster.new")
    (half / "cluster.new" / "PG_VERSION").unlink()
    with EmbeddedServer.ensure(half, settings=THROWAWAY_SETTINGS) as server:
        assert answers(server.dsn())


@pytest.mark.skipif(sys.platform != "linux", reason="tells processes apart by /proc")
def test_a_pid_file_whose_pid_is_somebody_elses_is_stale(folder: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        lines = [str(sleeper.pid), str(folder / "cluster"), "1", "1", "", "127.0.0.1", "1 1", "ready   "]
        (folder / "cluster" / "postmaster.pid").write_text("\n".join(lines) + "\n")
        with EmbeddedServer.ensure(folder) as server:
            assert not server.attached
            assert answers(server.dsn())
        sleeper.kill()


def test_a_pid_file_of_a_dead_process_is_stale(folder: Path) -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    lines = [str(done.pid), str(folder / "cluster"), "1", "1", "", "127.0.0.1", "1 1", "ready   "]
    (folder / "cluster" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    with EmbeddedServer.ensure(folder) as server:
        assert answers(server.dsn())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EmbeddedError, match=r"Permission denied\. Choose another folder"):
        EmbeddedServer.ensure(tmp_path / "server")
    tmp_path.chmod(0o700)
