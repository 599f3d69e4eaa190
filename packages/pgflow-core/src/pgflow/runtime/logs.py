"""Log records of handlers, whatever logger they went to, name the attempt that made them."""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

from pgflow.runtime.context import running_task

__all__ = ["TaskFields", "log_handler"]

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class TaskFields(logging.Filter):
    """Adds run_id, flow, step, task_index, attempt and executor to what is logged while a handler runs.

    Put it on a log handler: `handler.addFilter(TaskFields())`; worker processes do so with theirs.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with its fields."""
        task = running_task()
        if task is not None:
            for name, value in task.log_fields().items():
                record.__dict__.setdefault(name, value)
        return True


class _CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is when a record comes, so that it is captured with the rest."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def log_handler(log_format: str) -> logging.Handler:
    """Return what a process that runs handlers logs with: "text" for people, or "json" lines."""
    handler = _CurrentStderr()
    handler.addFilter(TaskFields())
    if log_format == "json":
        from pgflow.logs import JsonFormatter

        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter(_FORMAT))
    return handler
