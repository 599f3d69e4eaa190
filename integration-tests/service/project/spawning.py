"""An executor that starts real processes which report for themselves, and the flow that they run."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from pgflow import Node, current_task, flow, step
from pgflow.dispatcher import Dispatcher
from pgflow.envelope import Envelope
from pgflow.executor import (
    Accepted,
    Attempt,
    Capability,
    ExecutorContext,
    HandleRef,
    LaunchResult,
    Observation,
    Phase,
    ReportTarget,
)
from pgflow.plugins import ExecutorInstance
from pydantic import BaseModel, ConfigDict


def note(n: int) -> int:
    """Write down that this attempt ran."""
    task = current_task()
    with Path(os.environ["SPAWNED_FOLDER"], "ran").open("a") as file:
        file.write(f"{task.run_id} {task.attempt}\n")
    return n


@flow
def noted(n: Node[int]) -> Node[int]:
    return step(note, n, timeout=timedelta(minutes=5), max_attempts=5)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    dsn: str
    folder: Path
    kill_at: str = ""


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Spawning:
    """A process an attempt; what is known of it stands in a folder, as it would in a remote place."""

    name: ClassVar[str] = "spawning"
    Settings: ClassVar[type[BaseModel]] = Settings
    StepOptions: ClassVar[type[BaseModel]] = Nothing
    api_version: ClassVar[int] = 1
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.OBSERVE, Capability.CANCEL})
    capacity = 4

    async def start(self, ctx: ExecutorContext) -> None:
        self._settings: Any = ctx.settings
        self._report_to = ctx.report_to
        self._processes: list[subprocess.Popen[bytes]] = []

    async def aclose(self) -> None:
        for process in self._processes:
            await asyncio.to_thread(process.wait, 60)

    async def launch(self, attempt: Attempt) -> LaunchResult:
        self._die("before launch")
        assert self._report_to is not None
        envelope = Envelope.of(attempt, self._report_to, inline_input=False)
        environment = {
            **os.environ,
            "PGFLOW_ENVELOPE": envelope.to_json(),
            "PGFLOW_DSN": self._settings.dsn,
            "SPAWNED_FOLDER": str(self._settings.folder),
        }
        process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "pgflow.runtime"],
            env=environment,
            cwd=Path(__file__).parent,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        self._processes.append(process)
        (self._settings.folder / str(attempt.external_id)).write_text(str(process.pid))
        self._die("before the record")
        return Accepted({"pid": process.pid})

    async def observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        self._die("observe")
        return [Observation(ref, self._phase(ref)) for ref in refs]

    async def cancel(self, ref: HandleRef, grace: timedelta) -> None:
        pass

    def _phase(self, ref: HandleRef) -> Phase:
        try:
            pid = (self._settings.folder / str(ref.external_id)).read_text()
        except FileNotFoundError:
            return Phase.NOT_FOUND
        try:
            state = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return Phase.EXITED_OK
        return Phase.EXITED_OK if state == "Z" else Phase.RUNNING

    def _die(self, place: str) -> None:
        """Be killed here, the first time."""
        mark = self._settings.folder / "killed"
        if self._settings.kill_at == place and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)


def instance(dsn: str, folder: Path, kill_at: str = "") -> ExecutorInstance:
    settings = Settings(dsn=dsn, folder=folder, kill_at=kill_at)
    return ExecutorInstance(
        "local", Spawning, settings, report_to=ReportTarget("postgres"), max_in_flight=3, observe_every=1
    )


def main() -> None:
    """Serve; the arguments are DSN, FOLDER, KILL_AT."""
    logging.basicConfig(level=logging.INFO)
    asyncio.run(Dispatcher(sys.argv[1], [instance(sys.argv[1], Path(sys.argv[2]), sys.argv[3])]).run())
