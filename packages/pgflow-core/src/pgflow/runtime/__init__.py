"""What runs inside a worker process: finds a handler, calls it, and says how it went."""

from __future__ import annotations

from pgflow.runtime.call import call_async, call_sync, run_handler, run_handler_async
from pgflow.runtime.context import Task, TaskHost, current_task
from pgflow.runtime.failures import Failure, error_of, failure_of
from pgflow.runtime.handlers import Handler, resolve
from pgflow.runtime.logs import TaskFields

__all__ = [
    "Failure",
    "Handler",
    "Task",
    "TaskFields",
    "TaskHost",
    "call_async",
    "call_sync",
    "current_task",
    "error_of",
    "failure_of",
    "resolve",
    "run_handler",
    "run_handler_async",
]
