"""Whoever runs the program gets a server: root, an ordinary user, a user id without a name."""

import ctypes
import os
import pwd
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from pgflow.embedded.supervisor.identity import become

from .conftest import answers, postmaster, user_of

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="only root can become somebody else, and namespaces are Linux's",
)

_CLONE_NEWUSER = 0x10000000
_NAMELESS = 54321


def uid_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def _open_to_all(folder: Path) -> bool:
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))


def test_root_keeps_its_files_and_makes_no_account(tmp_path: Path) -> None:
    accounts = Path("/etc/passwd").read_bytes()
    with user_of(tmp_path / "server") as user:
        assert answers(user.dsn)
        assert {path.stat().st_uid for path in tmp_path.rglob("*")} == {0}
    assert Path("/etc/passwd").read_bytes() == accounts


def test_root_without_namespaces_runs_the_server_as_nobody(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    with user_of(tmp_path / "server", popen={"preexec_fn": _forbid_namespaces}) as user:
        assert answers(user.dsn)
        assert uid_of(postmaster(tmp_path / "server")) == nobody
        assert (tmp_path / "server" / "cluster").stat().st_uid == nobody
        assert (tmp_path / "server" / "password").stat().st_uid == 0
    with user_of(tmp_path / "server") as user:  # namespaces again: the cluster stays nobody's
        assert answers(user.dsn)
        user.process.kill()
    assert not answers(user.dsn)


def test_a_cluster_of_root_is_given_to_nobody_where_namespaces_are_refused(folder: Path) -> None:
    with user_of(folder, popen={"preexec_fn": _forbid_namespaces}) as user:
        assert answers(user.dsn)
        assert uid_of(postmaster(folder)) == pwd.getpwnam("nobody").pw_uid


def test_root_and_the_ordinary_user_who_made_it_take_turns(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    turns: list[dict[str, Any]] = [{"preexec_fn": lambda: become(nobody, nobody)}, {}]
    for popen in (*turns, *turns):
        with user_of(tmp_path / "server", popen=popen) as user:
            assert answers(user.dsn)
            assert uid_of(postmaster(tmp_path / "server")) == nobody


def test_an_ordinary_user_needs_no_help(tmp_path: Path) -> None:
    _check_server_of(pwd.getpwnam("nobody").pw_uid, tmp_path)


@pytest.mark.skipif(not _open_to_all(Path(sys.prefix)), reason="Python lies where only root may go")
def test_a_user_id_without_a_name_is_enough() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own lies where only root may go
        os.chown(folder, _NAMELESS, _NAMELESS)
        _check_server_of(_NAMELESS, Path(folder))


def _check_server_of(uid: int, folder: Path) -> None:
    with user_of(folder / "server", popen={"preexec_fn": lambda: become(uid, uid)}) as user:
        assert answers(user.dsn)
        assert uid_of(postmaster(folder / "server")) == uid
        assert {path.stat().st_uid for path in folder.rglob("*")} == {uid}


def _forbid_namespaces() -> None:
    """Make this process root of a place that grants no user namespaces, as most containers do."""
    process = os.getpid()
    unshared, tell = os.pipe()
    helper = os.fork()
    if helper == 0:  # only a process outside may map more than one user
        os.read(unshared, 1)
        for users in ("uid_map", "gid_map"):
            Path(f"/proc/{process}/{users}").write_text("0 0 65536")
        os._exit(0)
    assert ctypes.CDLL(None).unshare(_CLONE_NEWUSER) == 0
    os.write(tell, b"!")
    assert os.waitpid(helper, 0)[1] == 0
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
