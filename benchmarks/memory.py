"""Memory of a dispatcher and its workers over many tasks: `python -m benchmarks.memory [--tasks 200000]`.

Prints resident memory of each process after every tenth of the work.  What grows with the work done would
show; what a process needs from its first tasks on does not count.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pgflow import Client, Node, flow, step
from pgflow.embedded import EmbeddedServer
from pgflow_sql import migrate

from benchmarks.drivers.handlers import value

ROOT = Path(__file__).parents[1]
CHUNK = 1000
TOML = f'pythonpath = ["{ROOT}"]\n[executors.local]\nuse = "local"\nprocesses = {{processes}}\n'


@flow
def single(number: Node[int]) -> Node[object]:
    """Do next to nothing."""
    return step(value, number)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def backlog(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("select count(*) from pgflow.runs where status = 'running'").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def dispatching(dsn: str, folder: Path, processes: int) -> Iterator[int]:
    """Run a dispatcher; give its process id."""
    (folder / "pgflow.toml").write_text(TOML.format(processes=processes))
    command = [sys.executable, "-m", "pgflow.cli", "dispatch", "--http", "127.0.0.1:0"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PGFLOW_DSN": dsn}, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def measure(dsn: str, dispatcher: int, tasks: int) -> Iterator[tuple[int, list[float]]]:
    """Do the work in tenths; yield how many tasks are done, and the megabytes of each process."""
    with Client(dsn) as client:
        client.deploy(single)
        for tenth in range(10):
            for start in range(0, tasks // 10, CHUNK):
                client.start_many(single, list(range(start, min(start + CHUNK, tasks // 10))))
            while backlog(dsn):
                time.sleep(0.2)
            pids = [dispatcher, *sorted(children(dispatcher))]
            yield (tenth + 1) * tasks // 10, [megabytes(pid) for pid in pids]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.memory")
    parser.add_argument("--tasks", type=int, default=200_000)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer.temporary() as server:
        dsn = server.dsn()
        with psycopg.connect(dsn, autocommit=True) as connection:
            migrate(connection)
        workers = "".join(f" worker {number + 1} |" for number in range(chosen.processes))
        print(f"| tasks done | dispatcher, MB |{workers}\n|{'---|' * (chosen.processes + 2)}")
        with dispatching(dsn, Path(folder), chosen.processes) as dispatcher:
            for done, sizes in measure(dsn, dispatcher, chosen.tasks):
                print(f"| {done:,} | {' | '.join(f'{size:.1f}' for size in sizes)} |", flush=True)


if __name__ == "__main__":
    main()
