"""What the attempts of these tests do.  The run's input says where to leave a trace of it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from pgflow import current_task

SECONDS = 60.0


def note(path: str, word: str) -> None:
    """Append a line to a file: many processes may."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(word + "\n")


def double(run: dict[str, Any]) -> int:
    if "trace" in run:
        note(run["trace"], f"ran {os.getpid()}")
    return 2 * run["n"]


def echo(run: Any) -> Any:
    return run


def slow_double(run: dict[str, Any]) -> int:
    note(run["trace"], f"began {os.getpid()}")
    time.sleep(run["seconds"])
    note(run["trace"], f"ended {os.getpid()}")
    return 2 * run["n"]


def wait(run: dict[str, Any]) -> str:
    """Go on when a file is there."""
    note(run["trace"], "began")
    until = time.monotonic() + SECONDS
    while not Path(run["go"]).exists() and time.monotonic() < until:
        time.sleep(0.01)
    note(run["trace"], "ended")
    return "waited"


def compute(run: dict[str, Any]) -> str:
    """Keep the processor until a file is there, and hardly ever look up."""
    until = time.monotonic() + SECONDS
    while not Path(run["go"]).exists() and time.monotonic() < until:
        for _ in range(1_000_000):
            pass
    return "computed"


def listen(run: dict[str, Any]) -> None:
    """Go on until told not to."""
    note(run["trace"], "began")
    until = time.monotonic() + SECONDS
    try:
        while time.monotonic() < until:
            current_task().heartbeat()
            time.sleep(0.01)
    except Exception as error:
        note(run["trace"], type(error).__name__)
        raise


async def sleep(run: dict[str, Any]) -> None:
    note(run["trace"], "began")
    try:
        await asyncio.sleep(SECONDS)
    except asyncio.CancelledError:
        note(run["trace"], "cancelled")
        raise


def hang(run: dict[str, Any]) -> None:
    note(run["trace"], "began")
    time.sleep(SECONDS)


def fail(run: dict[str, Any]) -> None:
    print("a line of output")
    current_task().logger.warning("a record of the log")
    raise OSError(run["message"])


def large(run: dict[str, Any]) -> str:
    return "x" * run["n"]


def context(run: dict[str, Any]) -> dict[str, Any]:
    task = current_task()
    assert task.deadline is not None
    return {
        "run_id": str(task.run_id),
        "names": [task.flow_slug, task.step_slug, task.task_index, task.flow_version],
        "attempt": task.attempt,
        "key": task.idempotency_key,
        "left": task.deadline.timestamp() - time.time(),
        "environment": {name: value for name, value in os.environ.items() if name.startswith("PGFLOW_")},
    }


def advance(run: dict[str, Any]) -> str:
    """Tell of progress until somebody has seen it."""
    until = time.monotonic() + SECONDS
    while not Path(run["seen"]).exists() and time.monotonic() < until:
        current_task().progress(3, 10, "pages")
        time.sleep(0.05)
    return "seen"
