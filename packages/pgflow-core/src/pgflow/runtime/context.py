"""The task that is being run: what `current_task()` tells a handler."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from logging import Logger, LoggerAdapter, getLogger
from typing import Literal, Protocol
from uuid import UUID

from pgflow.errors import NotInTask, TaskCancelled
from pgflow.tracing.current import in_attempt, is_traced

__all__ = ["MaybeLater", "Task", "TaskHost", "current_task", "entered", "running_task"]


class TaskHost(Protocol):
    """What the process that runs a task does for it.  Called from whatever thread the handler uses."""

    def heartbeat(self) -> Literal["ok", "cancel", "stale"]:
        """Renew the attempt's lease; answer "cancel" or "stale" if the attempt is no longer wanted."""
        ...

    def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Show how far the task has come, to whoever looks at the run."""
        ...


@dataclass(frozen=True)
class Task:
    """One attempt of a task, as its handler sees it."""

    run_id: UUID
    flow_slug: str
    step_slug: str
    task_index: int = 0
    """0 for a single step, the item's place for a map step."""
    attempt: int = 1
    """Rises with each claim, also of attempts that were handed back."""
    deadline: datetime | None = None
    """When the attempt times out, with a time zone; None if nothing watches it."""
    flow_version: int | None = None
    host: TaskHost | None = field(default=None, repr=False, compare=False)
    executor: str | None = None
    """The executor's name in the operator's configuration, where one runs the task."""

    @property
    def idempotency_key(self) -> str:
        """A text that the attempts of this task share with no other task, for calls that must not repeat."""
        return f"{self.run_id}/{self.step_slug}/{self.task_index}"

    @cached_property
    def logger(self) -> LoggerAdapter[Logger]:
        """Logs to "pgflow.task" with the fields of `log_fields` in each record."""
        return LoggerAdapter(getLogger("pgflow.task"), self.log_fields())

    def log_fields(self) -> dict[str, object]:
        """Name the attempt in a log record: by the same words as the dispatcher's log."""
        fields: dict[str, object] = {
            "run_id": str(self.run_id),
            "flow": self.flow_slug,
            "step": self.step_slug,
            "task_index": self.task_index,
            "attempt": self.attempt,
        }
        return fields if self.executor is None else {**fields, "executor": self.executor}

    def heartbeat(self) -> None:
        """Say that the handler is alive; needed at least every heartbeat_timeout if the step has one.

        Raises TaskCancelled if the run was cancelled or another attempt took over.
        """
        if self.host is None:
            return
        answer = self.host.heartbeat()
        if answer != "ok":
            reason = "was cancelled" if answer == "cancel" else "is no longer the current one"
            raise TaskCancelled(f"attempt {self.attempt} of step {self.step_slug!r} {reason}")

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Log how far the handler has come, show it to who looks at the run, and send a heartbeat."""
        of = "" if total is None else f" of {total:g}"
        self.logger.info("progress: %g%s%s", done, of, "" if message is None else f" ({message})")
        if self.host is not None:
            self.host.progress(done, total, message)
        self.heartbeat()


MaybeLater = Task | Callable[[], Task]
"""A task, or what gives it, the same at each call: few handlers ask for theirs."""

_current: ContextVar[MaybeLater | None] = ContextVar("pgflow_current_task", default=None)


def running_task() -> Task | None:
    """Return the task whose handler is running, if one is."""
    task = _current.get()
    return task if task is None or isinstance(task, Task) else task()


def current_task() -> Task:
    """Return the task whose handler is running; raises NotInTask elsewhere.

    A thread that the handler starts does not know the task: pass it on, or use `asyncio.to_thread`.
    """
    task = running_task()
    if task is None:
        raise NotInTask
    return task


@contextmanager
def entered(task: MaybeLater | None) -> Generator[None]:
    """Make `task` the current one; None leaves things as they are."""
    if task is None:
        yield
        return
    token = _current.set(task)
    try:
        if not is_traced():
            yield
            return
        with in_attempt(current_task()):
            yield
    finally:
        _current.reset(token)
