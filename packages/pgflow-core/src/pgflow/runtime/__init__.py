"""What runs inside a worker process: finds a handler, calls it, and says how it went.

Elsewhere than under a dispatcher `run_envelope` does it all, from the handshake to the report.
"""

from __future__ import annotations

from pgflow.runtime.call import call_async, call_sync, run_handler, run_handler_async
from pgflow.runtime.context import Task, TaskHost, current_task
from pgflow.runtime.failures import Failure, error_of, failure_of
from pgflow.runtime.handlers import Handler, resolve
from pgflow.runtime.logs import TaskFields
from pgflow.runtime.outcome import Outcome
from pgflow.runtime.remote import Event, run_envelope

__all__ = [
    "Event",
    "Failure",
    "Handler",
    "Outcome",
    "Task",
    "TaskFields",
    "TaskHost",
    "call_async",
    "call_sync",
    "current_task",
    "error_of",
    "failure_of",
    "resolve",
    "run_envelope",
    "run_handler",
    "run_handler_async",
]
