"""What an operator may set for a local executor, and what a step may ask of it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["LocalSettings", "LocalStepOptions"]

_MODULE: Final = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
Module = Annotated[str, StringConstraints(pattern=rf"^{_MODULE}$")]
HandlerPattern = Annotated[str, StringConstraints(pattern=r"^[\w.*?\[\]]+(:[\w.*?\[\]]+)?$")]
Seconds = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1))]


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalSettings(BaseModel):
    """The keys of an `[executors.<name>]` table with `use = "local"`; durations are seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    processes: int = Field(default_factory=_processors, ge=1, le=1024)
    """Worker processes; the processors this process may use, unless set."""
    concurrency_per_process: int = Field(default=1, ge=1, le=1000)
    """Async handlers that run at once in one process.  Sync handlers run one at a time in each."""
    max_tasks_per_process: int | None = Field(default=None, ge=1)
    """Tasks after which a process is replaced by a fresh one."""
    handlers: tuple[HandlerPattern, ...] | None = None
    """Handlers that may run: "examples.*" is a module and all below it, "shop.mail:send" one function,
    "*" all that can be imported.  Unless set: every module of the project's folders, nothing installed."""
    preload: tuple[Module, ...] = ()
    """Modules that each process imports before its first task."""
    pass_environment: tuple[str, ...] = ()
    """Environment variables that user code sees besides the harmless ones; "MYAPP_*" is a pattern."""
    python: Path | None = None
    """The interpreter of the worker processes, with pgflow-local installed; this one, unless set."""
    grace: Seconds = timedelta(seconds=5)
    """Time between asking running code to stop and killing it, and for running tasks to end at shutdown."""
    start_timeout: Seconds = timedelta(seconds=60)
    """Time that a process may take to start, and a handler's module to be imported."""
    prefetch: int = Field(default=256, ge=0, le=10_000)
    """Most short tasks that wait in a process's pipe; long ones never do."""
    log_bytes: int = Field(default=65_536, ge=0, le=1_048_576)
    """Most bytes of a task's output that are kept: its tail."""


class LocalStepOptions(BaseModel):
    """A step that runs locally takes no options."""

    model_config = ConfigDict(extra="forbid", frozen=True)
