"""Typed workflows that live in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pgflow.client import AsyncClient, AsyncRunHandle, Client, RunHandle
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
    from pgflow.inline import run_inline
    from pgflow.runtime.context import Task, current_task

__version__: Final = "0.1.0"

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

#: The module of each public name that is no error: loaded at the name's first use, so that whoever needs
#: a part of PGFlow waits for no other.
_HOMES: Final = {
    "AsyncClient": "pgflow.client",
    "AsyncRunHandle": "pgflow.client",
    "Client": "pgflow.client",
    "Flow": "pgflow.dsl",
    "Node": "pgflow.dsl",
    "RunHandle": "pgflow.client",
    "Task": "pgflow.runtime.context",
    "const": "pgflow.dsl",
    "contains": "pgflow.dsl",
    "current_task": "pgflow.runtime.context",
    "flow": "pgflow.dsl",
    "map_step": "pgflow.dsl",
    "run_inline": "pgflow.inline",
    "step": "pgflow.dsl",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES.get(name, "pgflow.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
