"""Handlers that run as a Lambda function, and do what a test asks."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import Any

from pgflow import NonRetryable, current_task
from pgflow.runtime.aws_lambda import lambda_handler


def double(run: dict[str, Any]) -> int:
    """Write down who runs, and compute."""
    print("doubling", run["n"])
    with Path(run["trace"]).open("a", encoding="utf-8") as trace:
        trace.write(f"{os.getpid()} {current_task().attempt}\n")
    return 2 * int(run["n"])


def refuse(run: dict[str, Any]) -> int:
    """Fail for good."""
    print("printed")
    current_task().logger.warning("logged")
    raise NonRetryable(f"not {run['n']}")


def crash(run: dict[str, Any]) -> int:
    """End the process at the first attempt."""
    if current_task().attempt == 1:
        os._exit(3)
    return double(run)


def hang(run: dict[str, Any]) -> int:
    """Compute for ever at the first attempt."""
    while current_task().attempt == 1:
        time.sleep(0.01)
    return double(run)


def spin(run: dict[str, Any]) -> int:
    """Let no other thread of the process run at the first attempt: nobody can stop it in time."""
    if current_task().attempt == 1:
        # Unlike `CDLL` it keeps the interpreter's lock, as a long computation in C does.
        ctypes.PyDLL(None).sleep(600)
    return double(run)


def hoard(run: dict[str, Any]) -> int:
    """Use more memory than there is at the first attempt."""
    hoarded = []
    while current_task().attempt == 1:
        hoarded.append(bytearray(2**20))
    return double(run)


def look(run: dict[str, Any]) -> list[str]:
    """Tell what secrets a handler finds in its environment."""
    return sorted(name for name in os.environ if name.startswith("PGFLOW"))


def linger(run: dict[str, Any]) -> int:
    """Take as long as a test likes."""
    Path(run["began"]).touch()
    while not Path(run["go"]).exists():
        time.sleep(0.05)
    return double(run)


handler = lambda_handler(sys.modules[__name__])


def crashing_copy(event: dict[str, Any], context: Any) -> Any:
    """Crash before the handshake, but for the first copy of an event, once that lingers."""
    try:
        Path(os.environ["FIRST"]).touch(exist_ok=False)
    except FileExistsError:
        while not Path(os.environ["BEGAN"]).exists():
            time.sleep(0.05)
        os._exit(3)
    return handler(event, context)
