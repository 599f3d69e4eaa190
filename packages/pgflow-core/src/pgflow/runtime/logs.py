"""Log records of handlers, whatever logger they went to, name the attempt that made them."""

from __future__ import annotations

import logging

from pgflow.runtime.context import running_task

__all__ = ["TaskFields"]


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
