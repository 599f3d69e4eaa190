"""The hooks a plugin may implement; `hookimpl` marks an implementation.

A plugin is a module named by an entry point of the group `pgflow`:

    from pgflow.hookspecs import hookimpl

    @hookimpl
    def pgflow_register_executors():
        return [MyExecutor]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pluggy

from pgflow.executor import Executor

__all__ = ["PROJECT", "hookimpl", "pgflow_register_executors"]

PROJECT: Final = "pgflow"
"""The pluggy project and the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def pgflow_register_executors() -> Sequence[type[Executor]]:
    """Return the executor classes of this plugin; import cloud SDKs when an instance is made, not here."""
    raise NotImplementedError  # pluggy never calls a specification
