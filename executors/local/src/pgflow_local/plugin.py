"""The plugin: registers the local executor with PGFlow."""

from __future__ import annotations

from collections.abc import Sequence

from pgflow.executor import Executor
from pgflow.hookspecs import hookimpl

from pgflow_local.executor import LocalExecutor


@hookimpl
def pgflow_register_executors() -> Sequence[type[Executor]]:
    """Return the local executor."""
    return [LocalExecutor]
