"""What an operator may set for a local executor, and what a step may ask of it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["CommandSettings", "LocalSettings", "LocalStepOptions", "LogFilesSettings"]

_MODULE: Final = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
Module = Annotated[str, StringConstraints(pattern=rf"^{_MODULE}$")]
HandlerPattern = Annotated[str, StringConstraints(pattern=r"^[\w.*?\[\]]+(:[\w.*?\[\]]+)?$")]
CommandName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.-]*$", max_length=128)]
Seconds = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1))]


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class CommandSettings(BaseModel):
    """A [program](../how-to/commands.md) that steps may run by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    argv: tuple[str, ...] = Field(min_length=1)
    """The program and its arguments, given to it as they are: no shell reads them."""
    cwd: Path | None = None
    """The folder it runs in; that of the dispatcher, unless set."""
    environment: dict[str, str] = Field(default_factory=dict[str, str], repr=False)
    """Variables set for it."""
    pass_environment: tuple[str, ...] = ()
    """Variables of the dispatcher that it sees besides those that all user code sees."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0))] | None = None
    """Longest time an attempt may take, whatever the step says."""


class LogFilesSettings(BaseModel):
    """A file for each attempt that wrote something; without this table there are none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    """Made if need be; it gets a folder a day."""
    max_bytes: int = Field(default=1_048_576, ge=1, le=67_108_864)
    """Most bytes of a file: the tail of the output."""
    keep_days: int = Field(default=7, ge=1, le=36_500)
    """Days after which files are deleted."""


class LocalSettings(BaseModel):
    """The [local executor](../how-to/local-executor.md); durations are seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    processes: int = Field(default_factory=_processors, ge=1, le=1024)
    """Worker processes; the processors this process may use, unless set."""
    concurrency_per_process: int = Field(default=1, ge=1, le=1000)
    """Async handlers that run at once in one process.  Sync handlers run one at a time in each."""
    max_tasks_per_process: int | None = Field(default=None, ge=1)
    """Tasks after which a process is replaced by a fresh one."""
    handlers: tuple[HandlerPattern, ...] | None = None
    """Handlers that may run: `"shop.*"` is a module and all below it, `"shop.mail:send"` one function,
    `"*"` all that can be imported.  Unless set: every module of the project's folders, nothing installed."""
    preload: tuple[Module, ...] = ()
    """Modules that each process imports before its first task."""
    pass_environment: tuple[str, ...] = ()
    """Environment variables that user code sees besides the harmless ones; `"MYAPP_*"` is a pattern."""
    python: Path | None = None
    """The interpreter of the worker processes, with pgflow-local installed; this one, unless set."""
    grace: Seconds = timedelta(seconds=5)
    """Time between asking running code to stop and killing it, and for running tasks to end at shutdown."""
    start_timeout: Seconds = timedelta(seconds=60)
    """Time that a process may take to start, and a handler's module to be imported."""
    prefetch: int = Field(default=256, ge=0, le=10_000)
    """Most short tasks that wait in a process's pipe; long ones never do."""
    log_format: Literal["text", "json"] = "text"
    """How handlers' log records are written: lines for people, or JSON lines that name the attempt."""
    log_bytes: int = Field(default=65_536, ge=0, le=1_048_576)
    """Most bytes of a task's output that are kept in the database: its tail."""
    live_log_bytes: int = Field(default=8192, ge=0, le=65_536)
    """Most bytes of a running task's output that `pgflow logs --follow` is shown each second; 0 shows none.
    Tasks that share a process (`concurrency_per_process` above 1) are shown when they have ended."""
    log_files: LogFilesSettings | None = None
    """Where to keep more of it; nowhere, unless set."""
    commands: dict[CommandName, CommandSettings] = Field(default_factory=dict[str, CommandSettings])
    """Programs that steps may run by these names."""

    @property
    def captured_bytes(self) -> int:
        """Most bytes of a task's output that a process keeps until the task ends."""
        return self.log_bytes if self.log_files is None else max(self.log_bytes, self.log_files.max_bytes)


class LocalStepOptions(BaseModel):
    """What a step may ask for: `Local(isolation="process", memory_mb=512, command="resize")`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    isolation: Literal["process"] | None = None
    """A fresh process for each attempt, instead of a warm one that others used."""
    memory_mb: int | None = Field(default=None, ge=1, le=16_777_216)
    """Most memory, in MiB, of the attempt's process and all that it starts; gives it a process of its own."""
    command: CommandName | None = None
    """A command of the operator's that runs in place of the handler."""
