"""The conversation between the benchmark and a driver: one JSON object a line, over stdin and stdout.

Standard library only: the peers' environment has nothing of ours.
"""

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.drivers import calls

Operation = Callable[..., dict[str, Any]]


def cpu_seconds() -> float:
    """Return the processor time of this process and of its children, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    children = [
        child for thread in Path("/proc/self/task").iterdir() for child in _words(thread / "children")
    ]
    living = (
        sum(int(word) for child in children for word in _words(Path(f"/proc/{child}/schedstat"))[:1]) / 1e9
    )
    return sum(usage.ru_utime + usage.ru_stime for usage in used) + living


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:  # it ended meanwhile
        return []


def perform(operations: Mapping[str, Operation], request: dict[str, Any]) -> dict[str, Any]:
    """Run one request and return its answer: what the operation gave, its SQL calls and processor time."""
    operation = operations[request.pop("do")]
    sent, used = calls.sent(), cpu_seconds()
    answer = operation(**request)
    return {"calls": calls.between(sent, calls.sent()), "client_cpu": cpu_seconds() - used, **answer}


def rest(settling: float, seconds: float) -> dict[str, Any]:
    """Wait for `settling`, then for `seconds`; return the calls and the processor time of the latter."""
    time.sleep(settling)
    sent, used = calls.sent(), cpu_seconds()
    time.sleep(seconds)
    return {"calls": calls.between(sent, calls.sent()), "client_cpu": cpu_seconds() - used}


def serve(operations: Mapping[str, Operation]) -> None:
    """Answer requests until stdin closes; an exception becomes an `error` answer with its traceback."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # a library that prints must not break the conversation
    for line in sys.stdin:
        try:
            answer = perform(operations, json.loads(line))
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers)
