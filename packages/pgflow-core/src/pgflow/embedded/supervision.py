"""The parent's side of the supervisor: start it, hear what became of it, wait for its end."""

import subprocess
import sys
import time
from pathlib import Path

from pgflow.embedded.errors import EmbeddedError, PortTaken, ServerFailed, StartTimeout
from pgflow.embedded.supervisor.locks import RETRY_SECONDS, FileLock
from pgflow.embedded.supervisor.plan import Folder, Plan, Report
from pgflow.embedded.supervisor.postgres import PidFile

_SCRIPT = "import sys; sys.path.append(sys.argv[1]); from supervisor.guard import main; sys.exit(main())"
# Kept so that no destructor complains about a child that rightly runs on.
_children: list[subprocess.Popen[str]] = []


def supervise(plan: Plan) -> None:
    """Start a supervisor, return once its server accepts connections; raises EmbeddedError if it does not."""
    folder = Folder(Path(plan.folder))
    words = folder.root / "supervisor.log"
    with words.open("w", encoding="utf-8") as errors:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SCRIPT, str(Path(__file__).parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal is for the user's program alone
        )
    _reap()
    _children.append(child)
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        child.stdin.write(plan.to_json())
        child.stdin.close()
        line = child.stdout.readline()
    if not line:
        raise EmbeddedError(f"The supervisor of the embedded PostgreSQL died: {words.read_text()}")
    _raise_failure(Report.from_json(line), plan, folder)


def wait_for_shutdown(folder: Folder, *, timeout: float) -> bool:
    """Wait until the server is down or is seen to have other users; false when neither comes true in time."""
    deadline = time.monotonic() + timeout
    while not _is_over(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(RETRY_SECONDS)
    _reap()
    return True


def _is_over(folder: Folder) -> bool:
    users, supervisor = (
        FileLock(folder.users_lock, create=False),
        FileLock(folder.supervisor_lock, create=False),
    )
    try:
        if supervisor.is_free():
            return True
        if users.acquire(exclusive=True):  # nobody else: the supervisor has not woken up yet
            users.release()
            return False
        return users.is_free()  # else it is the supervisor that holds it, and it is stopping the server
    except FileNotFoundError:  # a temporary folder goes with its server
        return not folder.root.exists()


def runs_unsupervised(folder: Folder) -> bool:
    """Whether somebody serves the cluster by hand; a crash's pid file is removed if its pid is reused."""
    seen = PidFile.read(folder.cluster)
    program = Path(f"/proc/{seen.pid}/comm") if seen else None
    if seen is None or program is None or not Path("/proc/self").exists():
        return False
    try:
        name = program.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return False  # PostgreSQL itself clears what a dead process left
    if name == "postgres":
        return True
    (folder.cluster / "postmaster.pid").unlink()
    return False


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]


def _raise_failure(report: Report, plan: Plan, folder: Folder) -> None:
    match report.failure:
        case None:
            return
        case "port" if plan.port:
            raise PortTaken(
                f"Port {plan.port} on 127.0.0.1 is taken by another program. Free it, choose another port, "
                "or let the embedded PostgreSQL choose one."
            )
        case "initdb":
            raise ServerFailed("Making a PostgreSQL cluster failed", folder.root, report.detail)
        case "timeout":
            raise StartTimeout(
                f"The embedded PostgreSQL in {folder.root} was not ready within {plan.start_seconds:g} s:\n"
                f"{report.detail}"
            )
        case _:
            raise ServerFailed("PostgreSQL did not start", folder.root, report.detail)
