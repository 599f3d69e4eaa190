"""Edge functions under Deno, behind the gateway that developers run, and a dispatcher that launches them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from pgflow.api.app import completion_api
from pgflow.api.settings import ApiSettings
from pgflow.dispatcher import Dispatcher
from pgflow.envelope import ReportTarget
from pgflow.plugins import Plugins, configure
from pgflow_supabase.executor import SupabaseExecutor

from ..api.conftest import Server, postgrest  # noqa: F401  `postgrest` is a fixture
from ..dispatching import SECONDS, running

HERE = Path(__file__).parent
SECRET = "a signing secret of the tests"
KEY = "sb_secret_tests"

sys.path.insert(0, str(HERE / "project"))


class Gateway:
    """`pgflow edge serve FOLDER` in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "pgflow.cli", "edge", "serve", str(folder), "--port", "0", *options]
        environment = {**os.environ, "NO_COLOR": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        deadline = time.monotonic() + SECONDS
        while not any(line.startswith("serving ") for line in self.lines):
            assert self.process.poll() is None, self.lines
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.02)
        self.url = next(line for line in self.lines if line.startswith("serving ")).split()[-1]

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        self.process.stdout.close()
        return code

    def _read(self) -> None:
        self.lines.extend(self.process.stdout)


@pytest.fixture
def serving() -> Iterator[Callable[..., Gateway]]:
    """Serve a folder of functions: `serving(folder, "--wall-clock", "4")`."""
    running: list[Gateway] = []

    def start(folder: Path, *options: str) -> Gateway:
        gateway = Gateway(folder, *options)
        running.append(gateway)
        return gateway

    yield start
    for gateway in running:
        assert gateway.stop() == 0, gateway.lines


@pytest.fixture
def api(pgflow_database) -> Iterator[str]:
    """The completion API of the test's database."""
    with Server(completion_api(pgflow_database, ApiSettings())) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def dispatching(pgflow_database):
    """Launch from this process: `async with dispatching(gateway_url, api_url) as dispatcher`."""

    def serve(url: str, report_to: str | ReportTarget, **settings) -> AbstractAsyncContextManager[Dispatcher]:
        given = {"url": url, "key": KEY, "signing_secret": SECRET, **settings}
        plugins = Plugins(executors={"supabase": SupabaseExecutor})
        instance = configure(plugins, "supabase", "supabase", given)
        if isinstance(report_to, str):
            report_to = ReportTarget("http", report_to)
        instance = replace(instance, report_to=report_to)
        return running(Dispatcher(pgflow_database, [instance], grace=5.0))

    return serve
