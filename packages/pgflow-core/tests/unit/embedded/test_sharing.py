"""Several processes and one server."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from pgflow.embedded import EmbeddedServer
from pgflow.embedded.supervisor.locks import FileLock

from .conftest import answers, postmaster, user_of, wait_until

_ENSURE = """
import pathlib, sys
from pgflow.embedded import EmbeddedServer
EmbeddedServer.ensure(pathlib.Path(sys.argv[1]))
"""


def test_a_second_process_joins_and_the_server_stays_until_the_last_leaves(folder: Path) -> None:
    with EmbeddedServer.ensure(folder) as mine:
        with user_of(folder) as other:
            assert other.attached
            assert other.dsn == mine.dsn()
        assert answers(mine.dsn())
    assert not answers(mine.dsn())


def test_the_one_who_started_it_may_leave_first(folder: Path) -> None:
    with user_of(folder) as other:
        assert not other.attached
        with EmbeddedServer.ensure(folder) as mine, psycopg.connect(mine.dsn()) as connection:
            assert mine.attached
            assert other.process.stdin is not None
            other.process.stdin.close()
            assert other.process.wait(timeout=30) == 0
            assert connection.execute("select 1").fetchone() == (1,)
    assert not answers(mine.dsn())


def test_of_concurrent_first_starts_one_makes_the_cluster(tmp_path: Path) -> None:
    def first_start(_: int) -> tuple[bool, str]:
        with user_of(tmp_path / "server") as user:
            gate.wait()
            return user.attached, user.dsn

    gate = Barrier(3)
    with ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(first_start, range(3)))
    assert sorted(attached for attached, _ in seen) == [False, True, True]
    assert len({dsn for _, dsn in seen}) == 1


def test_starts_and_stops_in_a_crowd_never_meet_a_dying_server(folder: Path) -> None:
    def come_and_go(_: int) -> bool:
        with EmbeddedServer.ensure(folder) as server:
            return answers(server.dsn())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(come_and_go, range(24)))


def test_a_temporary_folder_that_goes_is_made_anew(tmp_path: Path) -> None:
    def come_and_go(_: int) -> bool:
        with EmbeddedServer.ensure(tmp_path / "server", temporary=True) as server:
            return answers(server.dsn())

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(come_and_go, range(6)))
    wait_until(lambda: not list(tmp_path.iterdir()))


def test_a_killed_user_leaves_no_server(folder: Path) -> None:
    with user_of(folder) as user:
        assert answers(user.dsn)
        user.process.kill()
        wait_until(lambda: not (folder / "cluster" / "postmaster.pid").exists())
        wait_until(FileLock(folder / "supervisor.lock").is_free)
    assert not answers(user.dsn)


def test_a_killed_user_leaves_no_temporary_folder(tmp_path: Path) -> None:
    with user_of(tmp_path / "server", temporary=True) as user:
        user.process.kill()
        wait_until(lambda: not list(tmp_path.iterdir()))


def test_a_kill_of_the_whole_group_leaves_no_server(folder: Path) -> None:
    with user_of(folder, popen={"start_new_session": True}) as user:
        os.killpg(user.process.pid, signal.SIGKILL)
        wait_until(lambda: not (folder / "cluster" / "postmaster.pid").exists())


def test_a_user_killed_while_the_cluster_is_made_leaves_no_server(tmp_path: Path) -> None:
    root = tmp_path / "server"
    with subprocess.Popen([sys.executable, "-c", _ENSURE, str(root)]) as process:
        wait_until((root / "cluster.new").exists)
        process.kill()
    wait_until(lambda: FileLock(root / "supervisor.lock").is_free())
    assert not (root / "cluster" / "postmaster.pid").exists()
    with EmbeddedServer.ensure(root) as server:
        assert answers(server.dsn())


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
def test_a_killed_supervisor_takes_the_server_along(folder: Path) -> None:
    with EmbeddedServer.ensure(folder) as server:
        supervisor = int(Path(f"/proc/{postmaster(folder)}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: not (folder / "cluster" / "postmaster.pid").exists())
        assert not answers(server.dsn())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_stop_its_parents_server(folder: Path) -> None:
    script = """
import os, pathlib, sys
from pgflow.embedded import EmbeddedServer
server = EmbeddedServer.ensure(pathlib.Path(sys.argv[1]))
child = os.fork()
if child == 0:
    sys.exit()
os.waitpid(child, 0)
import psycopg
psycopg.connect(server.dsn()).close()
"""
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="counts children by /proc")
def test_the_server_is_nobodys_child(folder: Path) -> None:
    """Programs that wait for their children, or kill them, mean others."""
    script = """
import pathlib, sys
from pgflow.embedded import EmbeddedServer
server = EmbeddedServer.ensure(pathlib.Path(sys.argv[1]))
assert [path.read_text() for path in pathlib.Path("/proc/self/task").glob("*/children")] == [""]
"""
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True, timeout=60)


def test_a_folder_moved_by_hand_does_not_keep_the_server(folder: Path) -> None:
    server = EmbeddedServer.ensure(folder)
    folder.rename(folder.with_name("moved"))
    server.stop()
    wait_until(lambda: not answers(server.dsn()))


def test_a_program_that_just_ends_leaves_no_server(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", _ENSURE, str(folder)], check=True, timeout=60
    )
    assert not (folder / "cluster" / "postmaster.pid").exists()
