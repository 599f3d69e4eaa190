"""The hooks a plugin may implement, one of them at least; `hookimpl` marks an implementation.

A plugin is a module named by an entry point of the group `pgflow`:

    from pgflow.hookspecs import hookimpl

    @hookimpl
    def pgflow_register_executors():
        return [MyExecutor]

The others are called by the dispatcher while it serves, in its event loop: they must not wait for anything.
What one raises is logged and counted, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pluggy

from pgflow.executor import Attempt, Executor, ExecutorEvent, FailureClass, Observation

__all__ = [
    "PROJECT",
    "hookimpl",
    "pgflow_classify_failure",
    "pgflow_executor_event",
    "pgflow_mutate_launch",
    "pgflow_redact",
    "pgflow_register_executors",
]

PROJECT: Final = "pgflow"
"""The pluggy project and the entry-point group."""

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)


@hookspec
def pgflow_register_executors() -> Sequence[type[Executor]]:
    """Return the executor classes of this plugin; import cloud SDKs when an instance is made, not here."""
    raise NotImplementedError  # pluggy never calls a specification


@hookspec
def pgflow_mutate_launch(attempt: Attempt, executor: str, body: dict[str, Any]) -> None:
    """Change in place what an executor is about to send: a manifest, the arguments of a call."""
    raise NotImplementedError


@hookspec
def pgflow_classify_failure(observation: Observation, executor: str) -> FailureClass | None:
    """Say what the end of an attempt that did not report means, or None to leave it to the executor."""
    raise NotImplementedError


@hookspec
def pgflow_redact(text: str) -> str | None:
    """Return an error's or a log's text without what must not be stored, or None if all of it may be."""
    raise NotImplementedError


@hookspec
def pgflow_executor_event(event: ExecutorEvent) -> None:
    """Take note of what an executor did; for observation only."""
    raise NotImplementedError
