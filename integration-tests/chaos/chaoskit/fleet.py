"""The dispatchers under attack: real processes, started again whenever they end, as a supervisor would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from .server import wait_for

KIT = Path(__file__).parent
TOML = """
pythonpath = ["{path}"]
[dispatcher]
lease = {lease}
grace = 5
log_format = "json"
[executors.local]
use = "local"
processes = {processes}
grace = 0.5
pass_environment = ["CHAOS_*"]
"""


class Fleet:
    """Some dispatchers on one database."""

    def __init__(
        self, folder: Path, dsn: str, direct_dsn: str, *, size: int, processes: int, lease: float
    ) -> None:
        self._folder = folder
        self._dsn = dsn
        self._direct_dsn = direct_dsn
        self.starts = 0
        self._begins: dict[int, int] = {}
        """Where in its log each latest dispatcher begins."""
        (folder / "pgflow.toml").write_text(
            TOML.format(path=KIT.parent, lease=lease, processes=processes), encoding="utf-8"
        )
        self._members = [self._start(number) for number in range(size)]

    def tend(self) -> None:
        """Start again what has ended."""
        for number, member in enumerate(self._members):
            if member.poll() is not None:
                self._members[number] = self._start(number)

    def kill(self, number: int) -> None:
        member = self._members[number % len(self._members)]
        member.kill()
        member.wait()

    def signal(self, number: int, what: signal.Signals) -> None:
        member = self._members[number % len(self._members)]
        if member.poll() is None:
            member.send_signal(what)

    def kill_worker(self, number: int) -> None:
        """SIGKILL one process that runs handlers."""
        pids = [pid for member in self._members for pid in children(member.pid)]
        if pids:
            try:
                os.kill(pids[number % len(pids)], signal.SIGKILL)
            except ProcessLookupError:
                return

    def jump(self, number: int, seconds: float) -> None:
        """Set the wall clock of a dispatcher and its workers wrong."""
        self._clock(number % len(self._members)).write_text(str(seconds))

    def stop(self) -> list[int]:
        """Drain them all; return their exit codes."""
        for member in self._members:
            member.send_signal(signal.SIGCONT)
        # Before it serves, a signal ends it as it ends any process.
        wait_for(lambda: all(map(self._serves, range(len(self._members)))), "every dispatcher to serve")
        for member in self._members:
            member.terminate()
        return [member.wait(120) for member in self._members]

    def close(self) -> None:
        for member in self._members:
            if member.poll() is None:
                member.kill()
                member.wait()
        # Workers end with their dispatcher; the next user of this machine shall not meet the last of them.
        wait_for(lambda: not any(children(member.pid) for member in self._members), "the workers' end")

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self._folder.glob("dispatcher*.log")))

    def _serves(self, number: int) -> bool:
        """Whether the latest dispatcher of this number has begun its work, or ended."""
        log = self._log(number).read_bytes()[self._begins[number] :]
        return b" serves local" in log or self._members[number].poll() is not None

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        self.starts += 1
        paths = [str(KIT / "clock"), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PGFLOW_")}
        environment |= {
            "PGFLOW_DSN": self._dsn,
            "CHAOS_DSN": self._direct_dsn,
            "CHAOS_CLOCK": str(self._clock(number)),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        with self._log(number).open("ab") as log:
            self._begins[number] = log.seek(0, os.SEEK_END)
            return subprocess.Popen(
                [sys.executable, "-m", "pgflow.cli", "dispatch"],
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def _log(self, number: int) -> Path:
        return self._folder / f"dispatcher{number}.log"

    def _clock(self, number: int) -> Path:
        return self._folder / f"clock{number}"


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
