"""Typed workflows that live in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgflow.dsl import Flow, Node, const, contains, flow, map_step, step
from pgflow.errors import (
    BadInput,
    ConfigError,
    Conflict,
    DatabaseError,
    DatabaseUnreachable,
    DefinitionError,
    EnvelopeInvalid,
    FlowNotFound,
    ForeignSchema,
    HandlerAborted,
    HandlerError,
    HandlerMissing,
    InputError,
    InputInvalid,
    KeyRefused,
    NonRetryable,
    NotInTask,
    NotPossible,
    NotYours,
    OutputInvalid,
    PgflowError,
    PluginError,
    RetryAfter,
    RunCancelled,
    RunFailed,
    RunNotFound,
    SchemaMissing,
    SchemaTooNew,
    SchemaTooOld,
    TaskCancelled,
    TooLarge,
)

if TYPE_CHECKING:
    from pgflow.client import AsyncClient, AsyncRunHandle, Client, RunHandle
    from pgflow.inline import run_inline
    from pgflow.runtime.context import Task, current_task

__all__ = [
    "AsyncClient",
    "AsyncRunHandle",
    "BadInput",
    "Client",
    "ConfigError",
    "Conflict",
    "DatabaseError",
    "DatabaseUnreachable",
    "DefinitionError",
    "EnvelopeInvalid",
    "Flow",
    "FlowNotFound",
    "ForeignSchema",
    "HandlerAborted",
    "HandlerError",
    "HandlerMissing",
    "InputError",
    "InputInvalid",
    "KeyRefused",
    "Node",
    "NonRetryable",
    "NotInTask",
    "NotPossible",
    "NotYours",
    "OutputInvalid",
    "PgflowError",
    "PluginError",
    "RetryAfter",
    "RunCancelled",
    "RunFailed",
    "RunHandle",
    "RunNotFound",
    "SchemaMissing",
    "SchemaTooNew",
    "SchemaTooOld",
    "Task",
    "TaskCancelled",
    "TooLarge",
    "const",
    "contains",
    "current_task",
    "flow",
    "map_step",
    "run_inline",
    "step",
]

#: Names whose modules are loaded at their first use, so that importing pgflow loads no database driver.
_LAZY = {
    "AsyncClient": "pgflow.client",
    "AsyncRunHandle": "pgflow.client",
    "Client": "pgflow.client",
    "RunHandle": "pgflow.client",
    "Task": "pgflow.runtime.context",
    "current_task": "pgflow.runtime.context",
    "run_inline": "pgflow.inline",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
