"""The parent's side of the supervisor: start it, hear what became of it, wait for its end."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from pgflow.embedded.errors import PortTaken, ServerFailed, ServerTimeout
from pgflow.embedded.supervisor.locks import RETRY_SECONDS, FileLock, LockGone
from pgflow.embedded.supervisor.plan import Folder, Plan, Report
from pgflow.embedded.supervisor.postgres import PidFile

_SCRIPT = "import sys; sys.path.append(sys.argv[1]); from supervisor.guard import main; sys.exit(main())"
# Kept, so that no destructor complains about a supervisor that rightly runs on: on Windows it stays a child.
_children: list[subprocess.Popen[str]] = []


def supervise(plan: Plan) -> None:
    """Start a supervisor, return once its server accepts connections; raises EmbeddedError if it does not."""
    folder = Folder(Path(plan.folder))
    words = folder.root / "supervisor.log"
    words.unlink(missing_ok=True)  # it may be root's, from a start by root
    with words.open("w+", encoding="utf-8") as errors:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SCRIPT, str(Path(__file__).parent), plan.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal is for the user's program alone
        )
        _children.append(child)
        assert child.stdin is not None
        assert child.stdout is not None
        with child.stdin, child.stdout:
            child.stdin.write(plan.to_json())
            child.stdin.close()
            line = child.stdout.readline()
        errors.seek(0)
        report = Report.from_json(line) if line else Report("start", errors.read())
    if sys.platform != "win32":
        child.wait()  # it has left the supervisor to itself
    if report.failure is not None:
        _raise_failure(report, plan, folder)


def wait_for_shutdown(folder: Folder, supervisor: FileLock, *, timeout: float) -> None:
    """Wait until the supervisor, by its pinned lock, is gone, or the server is seen to have other users."""
    deadline = time.monotonic() + timeout
    users = FileLock(folder.users_lock, create=False)
    while time.monotonic() < deadline:
        if supervisor.is_free():
            return
        with contextlib.suppress(LockGone):  # a temporary folder is being removed
            if users.acquire(exclusive=True):  # nobody else: the supervisor has not woken up yet
                users.release()
            elif users.is_free():  # shared; if it is not, the supervisor has it and stops the server
                return
        time.sleep(RETRY_SECONDS)
    raise ServerTimeout(f"The embedded PostgreSQL in {folder.root} does not stop.")


def runs_unsupervised(folder: Folder) -> bool:
    """Whether somebody serves the cluster by hand; a crash's pid file is removed if its pid is reused."""
    seen = PidFile.read(folder.cluster)
    if seen is None or not Path("/proc/self/comm").exists():
        return False
    try:
        program = Path(f"/proc/{seen.pid}/comm").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return False  # PostgreSQL itself clears what a dead process left
    if program == "postgres":
        return True
    (folder.cluster / "postmaster.pid").unlink()
    return False


def _raise_failure(report: Report, plan: Plan, folder: Folder) -> NoReturn:
    match report.failure:
        case "port" if plan.port:
            raise PortTaken(
                f"Port {plan.port} on 127.0.0.1 is taken by another program. Free it, choose another port, "
                "or let the embedded PostgreSQL choose one."
            )
        case "initdb":
            raise ServerFailed("Making a PostgreSQL cluster failed", folder.root, report.detail)
        case "timeout":
            raise ServerTimeout(
                f"The embedded PostgreSQL in {folder.root} was not ready within {plan.start_seconds:g} s:\n"
                f"{report.detail}"
            )
        case _:
            raise ServerFailed("PostgreSQL did not start", folder.root, report.detail)
