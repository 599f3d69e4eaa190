"""One task as the worker sees it, and the search for its handler."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from pgflow.runtime import Handler, Task, failure_of
from pgflow.runtime.allowed import find

from pgflow_local import wire
from pgflow_local.slots import Slots
from pgflow_local.worker.command import UNTYPED, CommandFailed, CommandHandler
from pgflow_local.worker.link import Link

__all__ = ["Finder", "Host", "Job", "failure"]

_BETWEEN: Final = 0.1
"""Least seconds between two messages of progress; the ones between are dropped."""


@dataclass(frozen=True, slots=True)
class Job:
    """The content of a TASK frame, in the order that `tasks.LocalTask.frame` writes it."""

    handler: str
    params: str | None
    run_id: str
    flow_slug: str
    flow_version: int
    step_slug: str
    task_index: int
    attempt: int
    timeout: float
    command: dict[str, Any] | None
    """What to run in place of the handler."""

    @classmethod
    def parse(cls, frame: wire.Frame) -> Job:
        """Read the frame's first part."""
        return cls(*json.loads(frame.first.decode()))

    def task(self, host: Host, executor: str) -> Task:
        """Return what `current_task()` gives the handler, which starts now."""
        return Task(
            run_id=UUID(self.run_id),
            flow_slug=self.flow_slug,
            step_slug=self.step_slug,
            task_index=self.task_index,
            attempt=self.attempt,
            deadline=datetime.now(UTC) + timedelta(seconds=self.timeout),
            flow_version=self.flow_version,
            executor=executor,
            host=host,
        )


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

    def find(self, job: Job, *, index: int, number: int) -> Found:
        """Return what runs the job; raises HandlerMissing.

        A first import is marked in the slot: it may crash.
        """
        if job.command is None:
            return self._function(job.handler, index=index, number=number)
        typed = not job.handler.startswith(UNTYPED)
        stub = self._function(job.handler, index=index, number=number).handler if typed else None
        return Found(CommandHandler(job.command, stub), is_async=False)

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
