"""What a task elsewhere waits for before its handshake: `python -m benchmarks.imports [--rounds 15]`.

Imports all that `python -m pgflow.runtime` needs to report over HTTP, in turn with a bare Python and other
ways to report, and prints the least and the median CPU seconds of each beyond the bare Python, and the MB of
memory that the process needs beyond it.
"""

import argparse
import os
import statistics
import subprocess
import sys

RUNTIME = "import pgflow.runtime.__main__, pgflow.reporters.http"
LAMBDA = "import pgflow.runtime.aws_lambda, pgflow.reporters.http"
CANDIDATES = {
    "bare Python": "pass",
    "the runtime, reporting over HTTP": RUNTIME,
    "the same with what decodes values": f"{RUNTIME}, pydantic.type_adapter",
    "the handler of a Lambda function": LAMBDA,
    "the same with what decodes values, in Lambda": f"{LAMBDA}, pydantic.type_adapter",
    "urllib3 alone": "import urllib3",
    "http.client alone": "import http.client",
    "httpx alone": "import httpx",
    "psycopg alone": "import psycopg",
}


def cost(code: str) -> tuple[float, float]:
    """CPU seconds, of user and system, and MB of one process that runs some code."""
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {code}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main() -> None:
    """Measure all in turn, so that what slows the machine slows each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in CANDIDATES}
    for code in CANDIDATES.values():
        cost(code)  # compiles, and reads the files once
    for _ in range(rounds):
        for name, code in CANDIDATES.items():
            costs[name].append(cost(code))
    bare_times, bare_sizes = zip(*costs["bare Python"], strict=True)
    print(f"{'':46}{'least s':>8}{'median s':>9}{'MB':>7}")
    for name, taken in costs.items():
        times, sizes = zip(*taken, strict=True)
        beyond = (0.0, 0.0, 0.0)
        if name != "bare Python":
            beyond = (min(bare_times), statistics.median(bare_times), statistics.median(bare_sizes))
        found = (min(times), statistics.median(times), statistics.median(sizes))
        least, median, size = (value - less for value, less in zip(found, beyond, strict=True))
        print(f"{name:46}{least:8.3f}{median:9.3f}{size:7.1f}")


if __name__ == "__main__":
    main()
