"""Programs that use the TypeScript package, under Deno, and under Node as npm installs it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pgflow import Client
from pgflow.embedded import BinariesMissing
from pgflow_supabase.serving import find_deno
from pgflow_testing.typescript import find_tsc

from ..api.conftest import postgrest, serve  # noqa: F401  fixtures

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "executors/supabase/typescript"
SECONDS = 120.0

sys.path.insert(0, str(HERE / "project"))


class Program:
    """A program of `programs/` in a process of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PGFLOW_")}
        self.process = subprocess.Popen(
            command,
            env={**kept, "NO_COLOR": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def until(self, said: str) -> None:
        """Wait until it says a line that begins so."""
        deadline = time.monotonic() + SECONDS
        while not any(line.startswith(said) for line in self.lines):
            assert self.process.poll() is None, self.lines
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.02)

    def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code

    def stop(self) -> int:
        """Ask it to stop, as an operator does."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def end(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        self.process.stdout.close()


class Line:
    """A line to a port of this machine that can be cut, with all that go over it."""

    def __init__(self, port: int) -> None:
        self.is_cut = False
        self.refused = 0
        self._port = port
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """End every connection; no other is taken before `mend`."""
        self.is_cut = True
        for each in list(self._sockets):
            end(each)

    def mend(self) -> None:
        self.is_cut = False

    def close(self) -> None:
        self.cut()
        end(self._listener)
        for thread in self._threads:
            thread.join(SECONDS)
        for each in (*self._sockets, self._listener):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                near.close()
                self.refused += 1
                continue
            far = socket.create_connection(("127.0.0.1", self._port))
            self._sockets |= {near, far}
            for source, target in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=self._pump, args=(source, target)))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        end(source)
        end(target)


def end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def line(serve) -> Iterator[Line]:  # noqa: F811
    """A line to an API of the test's database."""
    line = Line(serve().port)
    yield line
    line.close()


@pytest.fixture(scope="session")
def deno_command(tmp_path_factory) -> list[str]:
    """What a program's path is appended to."""
    imports = {f"@pgflow/edge/{name}": f"{PACKAGE}/src/{name}.ts" for name in ("client", "worker")}
    config = tmp_path_factory.mktemp("deno") / "deno.json"
    config.write_text(json.dumps({"imports": imports}))
    command = [str(find_deno()), "run", "--quiet", "--no-check", "--allow-net", "--allow-env"]
    return [*command, "--config", str(config)]


@pytest.fixture(scope="session")
def node_project(tmp_path_factory) -> Path:
    """A project that the built package is installed in, with the programs."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js on the PATH")
    project = tmp_path_factory.mktemp("node")
    installed = project / "node_modules/@pgflow/edge"
    try:
        tsc = [node, str(find_tsc()), "-p", str(PACKAGE), "--noCheck", "--outDir", str(installed / "dist")]
    except BinariesMissing as error:
        pytest.skip(str(error))
    subprocess.run(tsc, check=True, timeout=SECONDS)
    shutil.copy(PACKAGE / "package.json", installed)
    shutil.copytree(HERE / "programs", project, dirs_exist_ok=True)
    (project / "package.json").write_text('{ "private": true, "type": "module" }')
    return project


@pytest.fixture(params=["deno", "node"])
def program(request, serve) -> Iterator[Callable[..., Program]]:  # noqa: F811  which has to outlive it
    """Start a program in Deno, and in Node: `program("worker", PGFLOW_URL=...)`."""
    if request.param == "deno":
        command, folder = request.getfixturevalue("deno_command"), HERE / "programs"
    else:
        command, folder = [shutil.which("node") or "node"], request.getfixturevalue("node_project")
    running: list[Program] = []

    def start(name: str, **environment: str) -> Program:
        running.append(Program([*command, str(folder / f"{name}.js")], environment))
        return running[-1]

    yield start
    for each in running:
        each.end()


@pytest.fixture
def client(pgflow_database) -> Iterator[Client]:
    """The flows are deployed."""
    from pulled_flows import holding, letters, refusing

    with Client(pgflow_database) as client:
        for each in (letters, refusing, holding):
            client.deploy(each)
        yield client


@pytest.fixture
def key(client, pgflow_connection) -> str:
    """A worker key for the executor `pull`."""
    row = pgflow_connection.execute(
        "select key from pgflow.create_worker_key('test', array['pull'])"
    ).fetchone()
    return row["key"]


@pytest.fixture
def worker(program, serve, key) -> Callable[..., Program]:  # noqa: F811
    """Start a worker of the API: `worker(PGFLOW_CONCURRENCY="1")`."""
    url = f"http://127.0.0.1:{serve().port}"

    def start(**environment: str) -> Program:
        return program("worker", **{"PGFLOW_URL": url, "PGFLOW_KEY": key, **environment})

    return start
