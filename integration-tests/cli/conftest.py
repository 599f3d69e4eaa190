"""A project in a scratch folder, and the command line run in it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pgflow.cli._child import DispatcherProcess
from pgflow.cli._session import Session
from pgflow.cli.app import app

SECONDS = 60

#: A flow `shop` of one step `work`, which gives what it is given.
ONE_STEP = """
from pgflow import Node, flow, step

def work(n: int) -> int:
    return n

@flow
def shop(n: Node[int]) -> Node[int]:
    return step(work, n)
"""


class Server:
    """A serving command, whose output lines can be waited for."""

    def __init__(self, folder: Path, *arguments: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pgflow.cli", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def wait_for(self, text: str) -> str:
        """Read lines until one holds the text, and return it."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                line = None
            assert line is not None, f"never said {text!r}:\n" + "\n".join(self.said)
            self.said.append(line)
            if text in line:
                return line

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@dataclass
class Project:
    """A folder that commands are run in."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def pgflow(self, *arguments: str, text: str | bytes | None = None, code: int = 0) -> Result:
        """Run a command in this process, and check its exit code."""
        result = CliRunner().invoke(app, arguments, input=text)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with --json, and read what it printed."""
        return json.loads(self.pgflow(*arguments, "--json", code=code).stdout)

    def process(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "pgflow.cli", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            **options,
        )

    @contextmanager
    def serving(self, *arguments: str, **options: Any) -> Iterator[Server]:
        """Start a command that goes on until it is told to stop."""
        server = Server(self.folder, *arguments, **options)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()
            assert server.process.stdout is not None
            server.process.stdout.close()

    @contextmanager
    def dispatching(self) -> Iterator[None]:
        """Run a dispatcher on the project's database."""
        with DispatcherProcess(os.environ["PGFLOW_DSN"], Session(as_json=False), quiet=True):
            yield

    def ended(self, run_id: str) -> Any:
        """Wait until a run has ended, and return its state."""
        deadline = time.monotonic() + SECONDS
        while (run := self.json("status", run_id))["status"] == "running":
            assert time.monotonic() < deadline, f"run {run_id} is still running"
            time.sleep(0.1)
        return run


@pytest.fixture
def project(tmp_path, monkeypatch) -> Iterator[Project]:
    """A scratch folder that is the working directory; flows imported from it are forgotten afterwards."""
    for name in [name for name in os.environ if name.startswith("PGFLOW_") or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Project(tmp_path)
    for name, module in list(sys.modules.items()):
        origins = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
        if any(str(origin).startswith(str(tmp_path)) for origin in origins):
            del sys.modules[name]


@pytest.fixture
def database(pgflow_database, monkeypatch) -> str:
    """A fresh database with the schema, which commands use without being told."""
    monkeypatch.setenv("PGFLOW_DSN", pgflow_database)
    return pgflow_database
