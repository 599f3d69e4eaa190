"""Run one server until its last user is gone, then stop it and leave nothing behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from .locks import FileLock
from .plan import Folder, Plan, Report
from .postgres import PostgresFailed, make_cluster, start_server, stop_server

_LOCK_SECONDS = 10.0


def main() -> int:
    """Read the plan, start, report on standard output, stay until nobody uses the server."""
    plan = Plan.from_json(sys.stdin.read())
    _leave_the_family()
    folder = Folder(Path(plan.folder))
    users = FileLock(folder.users_lock)
    users.pin()
    alive = FileLock(folder.supervisor_lock)
    # Whoever looks whether it is free holds it for a moment.
    if not alive.acquire(exclusive=True, timeout=_LOCK_SECONDS):
        _report(Report("timeout", f"{alive.path} stays locked"))
        return 1
    try:
        server = _start(folder, plan)
    except (PostgresFailed, OSError) as error:
        _clean_up(plan, alive)
        _report(Report(getattr(error, "failure", "start"), str(error)))
        return 1
    _report(Report())
    _stay(server, users, plan)
    _clean_up(plan, alive)
    return 0


def _leave_the_family() -> None:
    # Nobody's child: programs that count, await or kill their children mean others than this one.
    if sys.platform != "win32" and os.fork() != 0:
        os._exit(0)


def _start(folder: Folder, plan: Plan) -> subprocess.Popen[bytes]:
    if not folder.cluster.exists():
        make_cluster(folder, plan)
    return start_server(folder, plan)


def _stay(server: subprocess.Popen[bytes], users: FileLock, plan: Plan) -> None:
    def stop() -> None:
        if server.poll() is None:
            stop_server(server.pid, Path(plan.binaries))

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop()

    def stop_after_last_user() -> None:
        # Never released: whoever comes now waits until this process is gone, then starts a server of its own.
        users.acquire(exclusive=True, timeout=None)
        stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    threading.Thread(target=stop_after_last_user, daemon=True).start()
    server.wait()


def _clean_up(plan: Plan, alive: FileLock) -> None:
    if plan.remove_afterwards:
        # Renamed first: a newcomer finds no folder and makes a new one, and never a half-emptied one.
        doomed = Path(f"{plan.folder}.{os.getpid()}")
        Path(plan.folder).rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    alive.release()


def _report(report: Report) -> None:
    with contextlib.suppress(OSError):  # the parent may be gone; so is its lock, and the server will stop
        sys.stdout.write(report.to_json() + "\n")
        sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
