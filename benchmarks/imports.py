"""What a task elsewhere waits for before its handshake: `python -m benchmarks.imports [--rounds 15]`.

Imports all that `python -m pgflow.runtime` needs to report over HTTP, in turn with a bare Python and other
ways to report, and prints the least and the median CPU seconds of each beyond the bare Python.
"""

import argparse
import os
import statistics
import subprocess
import sys

RUNTIME = "import pgflow.runtime.__main__, pgflow.reporters.http"
CANDIDATES = {
    "bare Python": "pass",
    "the runtime, reporting over HTTP": RUNTIME,
    "the same with what decodes values": f"{RUNTIME}, pydantic.type_adapter",
    "urllib3 alone": "import urllib3",
    "http.client alone": "import http.client",
    "httpx alone": "import httpx",
    "psycopg alone": "import psycopg",
}


def cpu_seconds(code: str) -> float:
    """CPU seconds, of user and system, of one process that runs some code."""
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {code}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure all in turn, so that what slows the machine slows each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for code in CANDIDATES.values():
        cpu_seconds(code)  # compiles, and reads the files once
    for _ in range(rounds):
        for name, code in CANDIDATES.items():
            times[name].append(cpu_seconds(code))
    bare = times["bare Python"]
    print(f"{'':36}{'least':>8}{'median':>8}")
    for name, taken in times.items():
        beyond = (0.0, 0.0) if taken is bare else (min(bare), statistics.median(bare))
        print(f"{name:36}{min(taken) - beyond[0]:8.3f}{statistics.median(taken) - beyond[1]:8.3f}")


if __name__ == "__main__":
    main()
