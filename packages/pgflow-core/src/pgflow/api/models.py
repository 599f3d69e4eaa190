"""The bodies of requests and responses, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "ClaimRequest",
    "Claimed",
    "CompleteRequest",
    "Completed",
    "FailRequest",
    "Failed",
    "HeartbeatRequest",
    "ProblemBody",
    "ReleaseRequest",
    "Released",
    "Renewed",
    "StartRequest",
    "Started",
    "TaskRequest",
]

_MAX_INT: int = 2**31 - 1
_MAX_DELAY = 315_360_000  # ten years, the engine's limit

Slug = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


def _whole(value: object) -> object:
    """Read 3.0 as the integer it is to JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Whole = BeforeValidator(_whole)

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
"""What PostgreSQL can store."""


class ClaimRequest(BaseModel):
    """What a worker can take now, and for how long it waits where there is nothing."""

    model_config = ConfigDict(extra="forbid")

    executor: Name
    worker_id: Name
    """Names the worker in `pgflow status` and in the history of attempts."""
    max_tasks: Annotated[int, Field(ge=1, le=100, strict=True), _Whole] = 1
    wait_seconds: Annotated[float, Field(ge=0, le=30, strict=True)] = 0
    """0 answers at once."""
    lease_seconds: Annotated[float, Field(ge=1, le=86_400, strict=True)] = 30
    """The task is run again elsewhere unless a heartbeat, or its end, is reported in this time."""
    mode: Literal["start", "launch"] = "start"
    """launch: to be handed on to another place, which begins with the start handshake."""
    inputs: Literal["full", "none"] = "full"


class ClaimedTaskBody(BaseModel):
    """A claimed task; `attempt_token` is the bearer of all that is said about it."""

    run_id: UUID
    flow_slug: str
    flow_version: int
    step_slug: str
    step_type: Literal["single", "map"]
    task_index: int
    attempt: int
    attempt_token: UUID
    handler: str
    params: dict[str, str] | None
    input: dict[str, Any] | None
    executor_options: dict[str, Any] | None
    timeout_seconds: float
    heartbeat_timeout_seconds: float | None
    max_attempts: int
    failures: int
    priority: int
    external_id: str | None
    lease_expires_at: datetime


class Claimed(BaseModel):
    """What was claimed; none if the time was up."""

    tasks: list[ClaimedTaskBody]


class TaskRequest(BaseModel):
    """Which task the bearer speaks for."""

    model_config = ConfigDict(extra="forbid")

    run_id: UUID
    step_slug: Slug
    task_index: Annotated[int, Field(ge=0, le=_MAX_INT, strict=True), _Whole] = 0
    """0 for a single step, the item's place for a map step."""


class StartRequest(TaskRequest):
    """The handshake of a launched attempt."""

    instance_id: Name
    """Names the process that asks: the first one has the attempt, and may ask again."""


class ProgressBody(BaseModel):
    """How far the handler says it has come."""

    model_config = ConfigDict(extra="forbid")

    done: Annotated[float, Field(strict=True)]
    total: Annotated[float, Field(strict=True)] | None = None
    message: Annotated[str, Field(max_length=1000)] | None = None


class HeartbeatRequest(TaskRequest):
    """A sign of life of an attempt."""

    progress: ProgressBody | None = None
    """Shown with the run while the attempt goes on."""


class CompleteRequest(TaskRequest):
    """The result of an attempt."""

    output: Any = None
    log_tail: str | None = None


class ErrorBody(BaseModel):
    """What went wrong in the handler."""

    model_config = ConfigDict(extra="allow")

    message: str
    code: str | None = None
    type: str | None = None
    traceback: str | None = None


class FailRequest(TaskRequest):
    """The failure of an attempt."""

    error: ErrorBody
    retryable: Annotated[bool, Field(strict=True)] = True
    retry_after_seconds: Annotated[float, Field(ge=0, le=_MAX_DELAY, strict=True)] | None = None
    """Replaces the step's back-off."""
    log_tail: str | None = None


class ReleaseRequest(TaskRequest):
    """An attempt handed back: no budget is used up."""

    error: ErrorBody | None = None
    """Why."""
    retry_after_seconds: Annotated[float, Field(ge=0, le=_MAX_DELAY, strict=True)] | None = None
    """How long nobody is offered the task; it is ready at once if left out."""
    log_tail: str | None = None


class Started(BaseModel):
    """The attempt is this instance's; `input` is the handler's input object."""

    status: Literal["started"]
    input: dict[str, Any]
    lease_expires_at: datetime


class Renewed(BaseModel):
    """Whether to go on: "cancel" means the run was cancelled, stop."""

    status: Literal["ok", "cancel"]
    lease_expires_at: datetime | None


class Completed(BaseModel):
    """The output is stored; "duplicate" if it was already."""

    status: Literal["completed", "failed", "duplicate"]


class Failed(BaseModel):
    """The failure is stored, and whether the engine tries again."""

    status: Literal["retrying", "failed", "duplicate"]


class Released(BaseModel):
    """The task is ready for another worker."""

    status: Literal["released", "duplicate"]


class ProblemBody(BaseModel):
    """Why a request was not served; `code` is stable, `message` is for people."""

    code: str
    message: str
