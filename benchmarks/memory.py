"""Memory of a dispatcher and its workers over many tasks: `python -m benchmarks.memory [--tasks 200000]`.

Prints resident memory of each process after every tenth of the work.  What grows with the work done would
show; what a process needs from its first tasks on does not count.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from pgflow import Client, Node, flow, step

from benchmarks.drivers.handlers import value
from benchmarks.fleet import children, database, dispatching, wait_until_done

CHUNK = 1000


@flow
def single(number: Node[int]) -> Node[object]:
    """Do next to nothing."""
    return step(value, number)


def megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(dsn: str, dispatcher: int, tasks: int) -> Iterator[tuple[int, list[float]]]:
    """Do the work in tenths; yield how many tasks are done, and the megabytes of each process."""
    with Client(dsn) as client, psycopg.connect(dsn, autocommit=True) as connection:
        client.deploy(single)
        for tenth in range(10):
            for start in range(0, tasks // 10, CHUNK):
                client.start_many(single, list(range(start, min(start + CHUNK, tasks // 10))))
            wait_until_done(connection)
            pids = [dispatcher, *sorted(children(dispatcher))]
            yield (tenth + 1) * tasks // 10, [megabytes(pid) for pid in pids]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.memory")
    parser.add_argument("--tasks", type=int, default=200_000)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, database() as dsn:
        workers = "".join(f" worker {number + 1} |" for number in range(chosen.processes))
        print(f"| tasks done | dispatcher, MB |{workers}\n|{'---|' * (chosen.processes + 2)}")
        with dispatching(dsn, Path(folder), processes=chosen.processes) as dispatcher:
            for done, sizes in measure(dsn, dispatcher.pid, chosen.tasks):
                print(f"| {done:,} | {' | '.join(f'{size:.1f}' for size in sizes)} |", flush=True)


if __name__ == "__main__":
    main()
