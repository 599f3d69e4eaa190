"""The contract between the dispatcher and an executor: what may run a task, and what it answers.

Standard library and pydantic only, so that an executor depends on nothing but this module.
An executor never retries, never touches the database and keeps no state that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from logging import Logger
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel

from pgflow.envelope import ReportTarget
from pgflow.values import value

__all__ = [
    "API_VERSION",
    "Accepted",
    "Attempt",
    "Capability",
    "Checking",
    "CheckingSteps",
    "DeployedStep",
    "Executor",
    "ExecutorContext",
    "ExecutorEvent",
    "FailureClass",
    "HandleRef",
    "Hindrance",
    "LaunchResult",
    "LaunchingMany",
    "Observation",
    "Phase",
    "Progress",
    "Rejected",
    "ReportTarget",
    "SendingInput",
    "TaskReport",
    "Unknown",
    "Written",
]


API_VERSION: Final = 1
"""The version of this contract; a plugin's `api_version` must equal it."""


class Capability(StrEnum):
    """What an executor can do beyond launching; nothing is assumed that is not declared."""

    RUNS_HERE = "runs_here"
    """The code runs under this process: `launch` never blocks, the executor reports, expiry means lost."""
    IDEMPOTENT_LAUNCH = "idempotent_launch"
    """Launching the same external_id twice makes one execution."""
    OBSERVE = "observe"
    """`observe` is authoritative."""
    CANCEL = "cancel"
    """`cancel` stops the code, not only the bookkeeping."""
    LOGS = "logs"
    """Reports and observations carry a log tail."""
    CHECK = "check"
    """It has `check`, see `Checking`."""
    CHECK_STEPS = "check_steps"
    """It has `check_steps`, see `CheckingSteps`."""


@value(frozen=True, slots=True)
class Attempt:
    """One claimed attempt of a task: everything an executor may know about it."""

    run_id: UUID
    flow_slug: str
    flow_version: int
    step_slug: str
    step_type: Literal["single", "map"]
    task_index: int
    attempt: int
    attempt_token: UUID = field(repr=False)
    handler: str
    params: str | None
    """JSON text: handler parameter -> "run", "item", a dependency's slug or {"const": value}."""
    input: str | None = field(repr=False)
    """JSON text of the input object; None when the task fetches it at its handshake."""
    options: BaseModel
    """A validated instance of the executor's StepOptions."""
    timeout: timedelta
    heartbeat_timeout: timedelta | None
    max_attempts: int
    failures: int
    external_id: str | None
    lease_expires_at: datetime


@value(frozen=True, slots=True)
class TaskReport:
    """What an executor says of an attempt that ended."""

    run_id: UUID
    step_slug: str
    task_index: int
    attempt_token: UUID = field(repr=False)
    outcome: Literal["complete", "fail", "release"]
    output: str | None = field(default=None, repr=False)
    """JSON text, for `complete`."""
    error: dict[str, Any] | None = None
    """`{code, message, type?, traceback?}`, for `fail`."""
    retryable: bool = True
    retry_after_seconds: float | None = None
    log_tail: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a handler says it has come."""

    done: float
    total: float | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What an attempt under way has written to its log so far."""

    tail: str = field(repr=False)
    """The end of it, at most 64 KiB."""
    end: int
    """How many bytes it is in all."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The attempt is under way; `handle` is opaque JSON of at most 4 KiB, stored by the core."""

    handle: dict[str, Any] | None = None
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The attempt surely did not start."""

    kind: Literal["throttled", "transient", "permanent", "operator"]
    reason: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether the attempt started: only its handshake or its launch deadline will."""

    reason: str


LaunchResult = Accepted | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class HandleRef:
    """A launched attempt, by what the core stored of it."""

    run_id: UUID
    step_slug: str
    task_index: int
    attempt: int
    external_id: str | None
    handle: dict[str, Any] | None = None


class Phase(StrEnum):
    """Where a launched attempt stands, as seen from outside."""

    PENDING = "pending"
    RUNNING = "running"
    EXITED_OK = "exited_ok"
    EXITED_ERROR = "exited_error"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Observation:
    """What `observe` saw of one attempt."""

    ref: HandleRef
    phase: Phase
    code: str | None = None
    detail: str | None = None
    log_tail: str | None = None
    started: bool | None = None
    """False: its code surely never began, so its end is a failed launch."""
    retryable: bool = True
    """False: another attempt would end alike."""


FailureClass = Literal["not_started", "retryable", "permanent"]
"""What a plugin may say of an attempt that ended without a report: its code never began, another attempt may
do better, or none will."""


@dataclass(frozen=True, slots=True)
class ExecutorEvent:
    """Something that an executor did, for plugins that keep an eye on it."""

    kind: Literal["accepted", "rejected", "unknown", "reported", "ended"]
    """How a launch went, that an attempt which ran here was reported, or that one was seen to have ended."""
    executor: str
    run_id: UUID
    step_slug: str
    task_index: int
    attempt: int
    external_id: str | None
    detail: str | None = None
    """Why a launch did not go well, a report's outcome, what is known of an end."""


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Something in the place of launch that keeps attempts from running there, and how to mend it."""

    subject: str
    finding: str
    mend: str
    severity: Literal["error", "warning"] = "error"
    """A warning: attempts run, and some will be hurt."""


@dataclass(frozen=True, slots=True)
class DeployedStep:
    """A step of an active flow that names the executor."""

    flow_slug: str
    step_slug: str
    options: BaseModel
    """A validated instance of the executor's StepOptions."""
    timeout: timedelta
    launch_timeout: timedelta
    heartbeat_timeout: timedelta | None


def _unheard(attempt: Attempt, progress: Progress | Written) -> None:
    """Launched attempts tell the database of their progress themselves."""


def _unwatched(external_id: str) -> None:
    """Attempts that run here are not looked at: they report."""


def _unedited(attempt: Attempt, body: Mapping[str, Any]) -> dict[str, Any]:
    """Without plugins what is sent is what the executor wrote."""
    return dict(body)


@dataclass(frozen=True, slots=True)
class ExecutorContext:
    """What the dispatcher lends an executor instance while it serves."""

    name: str
    """The instance's name in the configuration: what steps name as their executor."""
    worker_id: str
    settings: BaseModel
    """A validated instance of the executor's Settings."""
    logger: Logger
    report: Callable[[TaskReport], None]
    """Queues a report; never blocks. For executors with RUNS_HERE, and for an end that `launch` learnt of."""
    pythonpath: Sequence[Path] = ()
    """The project's folders that handler modules are imported from, for executors with RUNS_HERE."""
    progress: Callable[[Attempt, Progress], None] = _unheard
    """Shows how far an attempt has come; never blocks. For executors with RUNS_HERE."""
    written: Callable[[Attempt, Written], None] = _unheard
    """Shows what an attempt has written so far; never blocks. For executors with RUNS_HERE."""
    report_to: ReportTarget | None = None
    """Where attempts report to; never None for executors without RUNS_HERE."""
    changed: Callable[[str], None] = _unwatched
    """Says that something happened to the attempt of an external_id: it is observed soon; never blocks."""
    max_in_flight: int | None = None
    """How many attempts the operator wants under way at once, at most."""
    edited: Callable[[Attempt, Mapping[str, Any]], dict[str, Any]] = _unedited
    """Gives plugins the last word on what is sent for an attempt, a JSON object; returns what to send."""


class Executor(Protocol):
    """Runs attempts somewhere.  Register the class with the hook `pgflow_register_executors`."""

    name: ClassVar[str]
    Settings: ClassVar[type[BaseModel]]
    StepOptions: ClassVar[type[BaseModel]]
    capabilities: ClassVar[frozenset[Capability]]
    api_version: ClassVar[int]

    @property
    def capacity(self) -> int:
        """How many attempts may be under way at once."""
        ...

    async def start(self, ctx: ExecutorContext) -> None:
        """Get ready to launch.  No network is required yet."""
        ...

    async def aclose(self) -> None:
        """Stop; what still runs here is killed and handed back by a `release` report."""
        ...

    async def launch(self, attempt: Attempt) -> LaunchResult:
        """Start the attempt once.  Never retries and never raises for a remote error."""
        ...

    async def observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        """Look at launched attempts without changing them."""
        ...

    async def cancel(self, ref: HandleRef, grace: timedelta) -> None:
        """Stop an attempt; twice, or of an unknown one, is no error."""
        ...


class LaunchingMany(Protocol):
    """What an executor may have whose launches take long: those that wait for the end of the attempt."""

    launches_at_once: ClassVar[int]
    """How many launches the dispatcher makes at once; 16 unless said."""


class SendingInput(Protocol):
    """What an executor without RUNS_HERE may have whose launches may carry the input of the task."""

    @property
    def sends_input(self) -> bool:
        """Whether attempts are claimed with their input; asked once it has started, not unless it says."""
        ...


class Checking(Protocol):
    """What an executor with CHECK has besides."""

    async def check(self) -> Sequence[Hindrance]:
        """Ask the place of launch, for `pgflow doctor`, whether attempts could run there; started before."""
        ...


class CheckingSteps(Protocol):
    """What an executor with CHECK_STEPS has besides."""

    async def check_steps(self, steps: Sequence[DeployedStep]) -> Sequence[Hindrance]:
        """Say, for `pgflow doctor`, what keeps these steps from running where they are to; started before."""
        ...
