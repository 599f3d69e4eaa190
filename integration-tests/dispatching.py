"""Dispatchers that serve from a test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from pgflow.dispatcher import Dispatcher

__all__ = ["SECONDS", "problems", "running", "until"]

SECONDS = 180.0
"""A deadline for what is broken; on the slowest machine it is not reached."""


async def until(condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Wait until a condition holds, and return what it gave; fails the test when it never does."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"never came true: {inspect.getsource(condition).strip()}"
        await asyncio.sleep(0.02)
    return found


def problems(dispatcher: Dispatcher) -> dict[str, str]:
    """What it says is wrong, by kind."""
    return {problem.kind: problem.message for problem in dispatcher.status().problems}


@contextlib.asynccontextmanager
async def running(dispatcher: Dispatcher, seconds: float = SECONDS) -> AsyncIterator[Dispatcher]:
    """Serve while the block runs; raises what the dispatcher raises."""
    task = asyncio.create_task(dispatcher.run())
    try:
        await until(lambda: task.done() or dispatcher.status().state == "running", seconds)
        yield dispatcher
    finally:
        dispatcher.request_stop()
        async with asyncio.timeout(seconds):
            await task
