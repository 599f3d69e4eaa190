"""How long a process takes from nothing: the command line, and the runtime of a task elsewhere."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from statistics import median

import psycopg

from benchmarks.arena import Turn
from benchmarks.imports import RUNTIME
from benchmarks.participant import DriverError
from benchmarks.workloads.base import Metrics

NEWEST = "select r.run_id::text from pgflow.runs r order by r.run_id desc limit 1"


@dataclass(frozen=True)
class ColdStart:
    """Each command `samples` times, in turns; files are read, and compiled, once before."""

    samples: int = 7
    name: str = "cold-start"
    title: str = "Cold start, milliseconds on the clock and of processor time"
    needs: tuple[str, ...] = ("cold-start",)
    shown: tuple[str, ...] = (
        "python_ms",
        "version_ms",
        "status_ms",
        "runtime_ms",
        "version_cpu_ms",
        "status_cpu_ms",
        "runtime_cpu_ms",
    )

    def play(self, turn: Turn) -> Metrics:
        """Measure bare Python, `pgflow --version`, `pgflow status` of an ended run, the runtime's imports."""
        turn.warm()
        with psycopg.connect(turn.dsn) as connection:
            row = connection.execute(NEWEST).fetchone()
        assert row is not None
        commands = {
            "python": ("-c", "pass"),
            "version": ("-m", "pgflow.cli", "--version"),
            "status": ("-m", "pgflow.cli", "status", row[0]),
            "runtime": ("-c", RUNTIME),
        }
        rounds = [
            {name: spent(command, turn.dsn) for name, command in commands.items()}
            for _ in range(self.samples + 1)
        ][1:]
        metrics: Metrics = {}
        for name in commands:
            clock, processor = zip(*(each[name] for each in rounds), strict=True)
            metrics |= {f"{name}_ms": median(clock), f"{name}_cpu_ms": median(processor)}
        return metrics


def spent(arguments: tuple[str, ...], dsn: str) -> tuple[float, float]:
    """Run Python with arguments in an empty folder; return milliseconds on the clock and the processor.

    Raises DriverError if it fails.
    """
    environment = {**os.environ, "PGFLOW_DSN": dsn}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's files are compiled once
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise DriverError(f"python {' '.join(arguments)} ended with {process.returncode}")
    return seconds * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3
