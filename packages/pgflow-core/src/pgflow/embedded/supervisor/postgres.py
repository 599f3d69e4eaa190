"""Making a cluster and running `postgres` over it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .identity import child_setup
from .plan import Failure, Folder, Plan

SUPERUSER = "postgres"
_PORT_ATTEMPTS = 5
_READY_POLL_SECONDS = 0.01


class PostgresFailed(Exception):
    """A PostgreSQL program did not do what it was started for."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure: Failure = failure
        self.detail = detail


@dataclass(frozen=True)
class PidFile:
    """The parts of `postmaster.pid` that say who serves a cluster, and where."""

    pid: int
    port: int
    ready: bool

    @classmethod
    def read(cls, cluster: Path) -> "PidFile | None":
        """The file's content, or None while there is no complete one."""
        try:
            lines = (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
            return cls(int(lines[0]), int(lines[3]), lines[7].strip() == "ready")
        except (OSError, ValueError, IndexError):
            return None

    def is_served(self) -> bool:
        """Whether the server is ready and listens: after a crash the file stays and says that it is."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return self.ready


def make_cluster(folder: Folder, plan: Plan) -> None:
    """Run initdb beside the final place and move the result there, so that half a cluster is never seen."""
    fresh = folder.root / "cluster.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    command = [
        str(Path(plan.binaries) / "initdb"),
        f"--pgdata={fresh}",
        f"--username={SUPERUSER}",
        f"--pwfile={folder.password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-instructions",
        "--no-sync",
    ]
    if int(plan.version) >= 16:
        # The password is long and random: more rounds would slow each connection and protect nothing.
        command.append("--set=scram_iterations=1")
    made = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(),
        cwd=folder.root,
        preexec_fn=child_setup(fresh),
        check=False,
    )
    if made.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise PostgresFailed("initdb", made.stdout.decode("utf-8", "replace").strip())
    fresh.rename(folder.cluster)


def start_server(folder: Folder, plan: Plan) -> subprocess.Popen[bytes]:
    """Start `postgres` and wait until it accepts connections; a free port lost in a race is retried."""
    for attempt in range(_PORT_ATTEMPTS):
        try:
            return _start_on(folder, plan, plan.port or _free_port())
        except PostgresFailed as error:
            if error.failure != "port" or plan.port or attempt == _PORT_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def stop_server(pid: int, binaries: Path) -> None:
    """Ask for a fast shutdown: open transactions are rolled back and sessions ended."""
    if sys.platform == "win32":
        subprocess.run([str(binaries / "pg_ctl"), "kill", "INT", str(pid)], check=False)
    else:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.kill(pid, signal.SIGINT)


def _start_on(folder: Folder, plan: Plan, port: int) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **plan.settings,
    }
    command = [str(Path(plan.binaries) / "postgres"), "-D", str(folder.cluster)]
    command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    if folder.log.exists():
        folder.log.replace(folder.log.with_suffix(".log.old"))
    with folder.log.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            cwd=folder.root,
            preexec_fn=child_setup(folder.cluster),  # noqa: PLW1509  this process has one thread as yet
        )
    _wait_until_ready(folder, plan, process)
    return process


def _wait_until_ready(folder: Folder, plan: Plan, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + plan.start_seconds
    while True:
        seen = PidFile.read(folder.cluster)
        if seen is not None and seen.pid == process.pid and seen.ready:
            return
        if process.poll() is not None:
            words = folder.log.read_text(encoding="utf-8", errors="replace").strip()
            raise PostgresFailed("port" if "could not bind" in words else "start", words)
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            words = folder.log.read_text(encoding="utf-8", errors="replace").strip()
            raise PostgresFailed("timeout", words)
        time.sleep(_READY_POLL_SECONDS)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    # PG* variables of the user's shell would redirect the server's own programs.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
