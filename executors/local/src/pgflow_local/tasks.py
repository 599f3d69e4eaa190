"""One attempt on its way through the executor, and the reports that end it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Literal, cast

from pgflow.executor import Attempt, TaskReport

from pgflow_local import wire
from pgflow_local.settings import LocalStepOptions

__all__ = ["Fate", "LocalTask"]

_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@lru_cache(256)
def _shared(*fields: Any) -> bytes:
    """Return what the tasks of a step share; the worker reads its array in the order of `worker.job.Step`."""
    return _dumps(fields).encode()


class Fate(Enum):
    """Why the executor itself ends an attempt that is still under way."""

    TIMEOUT = auto()
    """It ran too long."""
    SILENCE = auto()
    """It gave no heartbeat for too long."""
    IMPORT = auto()
    """The import of its module took too long."""
    MEMORY = auto()
    """Its processes took more memory than the step allows."""
    CANCEL = auto()
    """The dispatcher asked for it, and wants no report."""


class LocalTask:
    """An attempt that was launched and has not ended.

    `number` names it on the wire.  Times are on the clock `time.monotonic`, durations in seconds.
    """

    __slots__ = (
        "attempt",
        "command",
        "fate",
        "grace",
        "kill_at",
        "loading_since",
        "number",
        "options",
        "timeout",
        "waiting_since",
    )

    def __init__(
        self, attempt: Attempt, number: int, now: float, command: Mapping[str, Any] | None = None
    ) -> None:
        self.attempt = attempt
        self.number = number
        self.options = cast("LocalStepOptions", attempt.options)
        self.command = command
        self.timeout = attempt.timeout.total_seconds()
        if command is not None and command["timeout"] is not None:
            self.timeout = min(self.timeout, command["timeout"])
        self.waiting_since = now
        self.loading_since: float | None = None
        self.fate: Fate | None = None
        self.grace = 0.0
        self.kill_at: float | None = None

    @property
    def is_isolated(self) -> bool:
        """Whether it gets a process of its own."""
        return self.options.isolation is not None or self.options.memory_mb is not None

    def doom(self, fate: Fate, grace: float) -> None:
        """Decide how it ends; it gets `grace` seconds to stop by itself."""
        self.fate = fate
        self.grace = grace
        self.kill_at = None

    def frame(self) -> bytes:
        """Return the TASK frame."""
        attempt = self.attempt
        of_step = (
            attempt.handler,
            attempt.params,
            attempt.flow_slug,
            attempt.flow_version,
            attempt.step_slug,
            self.timeout,
        )
        shared = _shared(*of_step) if self.command is None else _shared.__wrapped__(*of_step, self.command)
        which = wire.WHICH.pack(attempt.run_id.bytes, attempt.task_index, attempt.attempt)
        return wire.encode(wire.TASK, self.number, which + shared, (attempt.input or "{}").encode())

    def completed(self, output: str, log_tail: str | None) -> TaskReport:
        """Report the handler's result."""
        attempt = self.attempt
        return TaskReport(
            attempt.run_id,
            attempt.step_slug,
            attempt.task_index,
            attempt.attempt_token,
            "complete",
            output,
            log_tail=log_tail,
        )

    def ended(
        self,
        outcome: Literal["fail", "release"],
        error: dict[str, Any],
        *,
        retryable: bool = True,
        retry_after_seconds: float | None = None,
        log_tail: str | None = None,
    ) -> TaskReport:
        """Report a failure, or a hand-back that costs the task nothing; `error` has a code and a message."""
        attempt = self.attempt
        return TaskReport(
            attempt.run_id,
            attempt.step_slug,
            attempt.task_index,
            attempt.attempt_token,
            outcome,
            error=error,
            retryable=retryable,
            retry_after_seconds=retry_after_seconds,
            log_tail=log_tail or None,
        )

    def overdue(self, fate: Fate, log_tail: str | None) -> TaskReport:
        """Report that it was stopped for taking too long."""
        heartbeat = self.attempt.heartbeat_timeout
        if fate is Fate.SILENCE and heartbeat is not None:
            code = "HEARTBEAT_TIMEOUT"
            message = f"the handler was stopped: no heartbeat for {heartbeat.total_seconds():g} s"
        elif fate is Fate.IMPORT:
            code = "TIMEOUT"
            message = f"the import of the module of {self.attempt.handler} did not end within start_timeout"
        elif fate is Fate.MEMORY:
            code = "OUT_OF_MEMORY"
            message = (
                f"the attempt was killed: its processes took more than memory_mb = {self.options.memory_mb}"
            )
        else:
            code = "TIMEOUT"
            message = f"the handler was stopped after its timeout of {self.timeout:g} s"
        return self.ended("fail", {"code": code, "message": message}, log_tail=log_tail)

    def released(self, code: str, message: str, **more: Any) -> TaskReport:
        """Report a hand-back."""
        return self.ended("release", {"code": code, "message": message}, **more)

    def __str__(self) -> str:
        attempt = self.attempt
        return (
            f"{attempt.flow_slug}.{attempt.step_slug}[{attempt.task_index}] "
            f"attempt {attempt.attempt} of run {attempt.run_id}"
        )
