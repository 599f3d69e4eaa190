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


def main() -> int:
    """Read the plan, start, report on standard output, stay until nobody uses the server."""
    plan = Plan.from_json(sys.stdin.read())
    folder = Folder(Path(plan.folder))
    alive = FileLock(folder.supervisor_lock)
    if not alive.acquire(exclusive=True):
        return 1
    try:
        if not folder.cluster.exists():
            make_cluster(folder, Path(plan.binaries))
        server = start_server(folder, plan)
    except PostgresFailed as error:
        _report(Report(error.failure, error.detail))
        return 1
    except OSError as error:
        _report(Report("start", str(error)))
        return 1
    else:
        _report(Report())
        _stay(server, folder, plan)
        return 0
    finally:
        if plan.remove_afterwards:
            _remove(folder.root)
        alive.release()


def _stay(server: subprocess.Popen[bytes], folder: Folder, plan: Plan) -> None:
    def stop() -> None:
        if server.poll() is None:
            stop_server(server.pid, Path(plan.binaries))

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop()

    def stop_after_last_user() -> None:
        # Never released: whoever comes now waits until this process is gone, then starts a server of its own.
        if FileLock(folder.users_lock).acquire(exclusive=True, timeout=None):
            stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    threading.Thread(target=stop_after_last_user, daemon=True).start()
    server.wait()


def _remove(root: Path) -> None:
    # Renamed first: a newcomer finds no folder and makes a new one, and never a half-emptied one.
    doomed = root.with_name(f"{root.name}.{os.getpid()}")
    root.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _report(report: Report) -> None:
    with contextlib.suppress(OSError):  # the parent may be gone; so is its lock, and the server will stop
        sys.stdout.write(report.to_json() + "\n")
        sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
