"""One real control plane for a test session, shared by its processes: kept while any of them lives.

Every user holds a shared lock on a file; the keeper, which this file is as a program, stops the servers when
nobody holds it any more.  The kernel gives the locks of killed processes back, so nothing is left behind.

    python control_plane.py BINARIES SCRIPTS FOLDER
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

SECONDS = 120.0
BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager")
SCRIPTS = ("run.py", "process_kubelet.py")
ROOT = Path(__file__).resolve().parents[2]


class Missing(Exception):
    """There is no control plane to run."""


def find() -> tuple[Path, Path]:
    """Return the folders of the binaries and of the scripts that run them; raises Missing."""
    if sys.platform != "linux":
        raise Missing("the Kubernetes binaries are for Linux")
    beside = ROOT.parent / "shared" / "kubernetes"
    named = os.environ.get("KUBEBUILDER_ASSETS")
    folders = [Path(named)] if named else []
    binaries = next((each for each in folders if _holds(each, BINARIES)), None)
    scripts = next((each for each in [*folders, beside] if _holds(each, SCRIPTS)), None)
    if scripts is not None and binaries is None and not named and (scripts / "unpack.sh").exists():
        binaries = ROOT / ".ci" / "kubernetes"
        subprocess.run(["sh", str(scripts / "unpack.sh"), str(binaries)], check=True)
    if binaries is None:
        raise Missing(f"KUBEBUILDER_ASSETS names no folder with {', '.join(BINARIES)}")
    if scripts is None:
        raise Missing(f"no folder has {' and '.join(SCRIPTS)}, which run a control plane without containers")
    return binaries, scripts


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[Path]:
    """Use the session's control plane, started by whoever comes first; give the folder of its kubeconfigs."""
    binaries, scripts = find()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("w") as users, (folder / "starting").open("w") as starting:
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(starting, fcntl.LOCK_EX)
        ready = folder / "ready"
        keeper = None if ready.exists() else _start(binaries, scripts, folder)
        data = Path(ready.read_text())
        fcntl.flock(starting, fcntl.LOCK_UN)
        yield data
    if keeper is not None:
        # It stays for as long as another process of the session uses it.
        keeper.wait()


def _start(binaries: Path, scripts: Path, folder: Path) -> subprocess.Popen:
    command = [sys.executable, __file__, str(binaries), str(scripts), str(folder)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / "log").open("w") as log:
        keeper = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PATH": path},
        )
    deadline = time.monotonic() + SECONDS
    while not (folder / "ready").exists():
        assert keeper.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.05)
    return keeper


def _holds(folder: Path, names: tuple[str, ...]) -> bool:
    return all((folder / name).is_file() for name in names)


def keep(binaries: Path, scripts: Path, folder: Path) -> None:
    """Run the servers until nobody uses them."""
    data = folder / f"data-{os.getpid()}"
    command = [sys.executable, str(scripts / "run.py"), "run", "--data", str(data), "--bin", str(binaries)]
    running = subprocess.Popen(
        [*command, "--kubelet", "--timeout", str(SECONDS)],
        stdout=subprocess.PIPE,
        # This process has one thread, which outlives its child.
        preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGTERM),  # noqa: PLW1509  PR_SET_PDEATHSIG
    )
    try:
        if running.stdout.readline():
            (folder / "told").write_text(str(data))
            (folder / "told").rename(folder / "ready")
            _until_unused(folder, running)
    finally:
        running.terminate()
        running.wait(SECONDS)
        shutil.rmtree(data, ignore_errors=True)


def _until_unused(folder: Path, running: subprocess.Popen) -> None:
    with (folder / "users").open() as users:
        while running.poll() is None:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (folder / "ready").unlink()
                return
            time.sleep(0.3)


if __name__ == "__main__":
    keep(*map(Path, sys.argv[1:]))
