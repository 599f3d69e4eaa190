"""One task as the worker sees it, and the search for its handler."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal
from uuid import UUID

from pgflow.runtime import Handler, Task, failure_of
from pgflow.runtime.allowed import find

from pgflow_local import wire
from pgflow_local.slots import Slots
from pgflow_local.worker.command import UNTYPED, CommandFailed, CommandHandler
from pgflow_local.worker.link import Link

__all__ = ["Finder", "Found", "Host", "Job", "failure"]

_BETWEEN: Final = 0.1
"""Least seconds between two messages of progress; the ones between are dropped."""


@dataclass(frozen=True, slots=True)
class Step:
    """What all tasks of a step share, in the order that `tasks.LocalTask.frame` writes it."""

    handler: str
    params: str | None
    flow_slug: str
    flow_version: int
    step_slug: str
    timeout: float
    command: dict[str, Any] | None = None
    """What to run in place of the handler."""


@lru_cache(256)
def _step(text: bytes) -> Step:
    return Step(*json.loads(text))


class Host:
    """What this process does for a running task; implements `pgflow.runtime.TaskHost`."""

    def __init__(self, link: Link, slots: Slots, index: int, number: int, cancelled: Container[int]) -> None:
        self._link = link
        self._slots = slots
        self._index = index
        self._number = number
        self._cancelled = cancelled
        self._last = 0.0

    def heartbeat(self) -> Literal["ok", "cancel", "stale"]:
        """Write the time where the parent sees it."""
        self._slots.beat(self._index)
        return "cancel" if self._number in self._cancelled else "ok"

    def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Send it to the parent, which shows it to whoever observes the attempt."""
        now = time.monotonic()
        if now - self._last >= _BETWEEN:
            self._last = now
            text = json.dumps({"done": done, "total": total, "message": message})
            self._link.send(wire.encode(wire.PROGRESS, self._number, text.encode()))


class Job:
    """A task that a frame brought."""

    __slots__ = ("_executor", "_host", "_started", "_task", "_which", "input", "step")

    def __init__(self, frame: wire.Frame, host: Host, executor: str) -> None:
        self.step = _step(frame.first[wire.WHICH.size :])
        self.input = frame.second.decode()
        self._which = frame.first
        self._host = host
        self._executor = executor
        self._started = 0.0
        self._task: Task | None = None

    def start(self) -> Callable[[], Task]:
        """Take note that the handler starts now; returns what gives what `current_task()` gives it."""
        self._started = time.time()
        return self._get_task

    def _get_task(self) -> Task:
        task = self._task
        if task is None:
            step = self.step
            run_id, task_index, attempt = wire.WHICH.unpack_from(self._which)
            task = self._task = Task(
                run_id=UUID(bytes=run_id),
                flow_slug=step.flow_slug,
                step_slug=step.step_slug,
                task_index=task_index,
                attempt=attempt,
                deadline=datetime.fromtimestamp(self._started + step.timeout, UTC),
                flow_version=step.flow_version,
                executor=self._executor,
                host=self._host,
            )
        return task


@dataclass(frozen=True, slots=True)
class Found:
    """A handler that may run here."""

    handler: Handler
    is_async: bool


class Finder:
    """Finds handlers, if the operator allows them; imports each once."""

    def __init__(self, refusal: Callable[[str], str | None], slots: Slots) -> None:
        self._refusal = refusal
        self._slots = slots
        self._found: dict[str, Found] = {}

    def find(self, step: Step, *, index: int, number: int) -> Found:
        """Return what runs a task of the step; raises HandlerMissing.

        A first import is marked in the slot: it may crash.
        """
        if step.command is None:
            return self._function(step.handler, index=index, number=number)
        typed = not step.handler.startswith(UNTYPED)
        stub = self._function(step.handler, index=index, number=number).handler if typed else None
        return Found(CommandHandler(step.command, stub), is_async=False)

    def _function(self, reference: str, *, index: int, number: int) -> Found:
        found = self._found.get(reference)
        if found is None:
            self._slots.load(index, number)
            handler = find(reference, self._refusal)
            found = self._found[reference] = Found(handler, inspect.iscoroutinefunction(handler.function))
        return found


def failure(error: BaseException) -> bytes:
    """Return the first part of a FAILED frame."""
    if isinstance(error, CommandFailed):
        told = {"code": "COMMAND_FAILED", "message": str(error).replace("\x00", "")}
        return _answer("fail", told, error.retryable, error.retry_after_seconds)
    judged = failure_of(error)
    return _answer(judged.outcome, judged.error, judged.retryable, judged.retry_after_seconds)


def _answer(outcome: str, error: Mapping[str, object], retryable: bool, after: float | None) -> bytes:
    answer = {"outcome": outcome, "error": error, "retryable": retryable, "retry_after_seconds": after}
    return json.dumps(answer).encode()
