"""What the client tells of runs: plain frozen data."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from pgflow.errors import DatabaseError

__all__ = [
    "Deployed",
    "LogEntry",
    "Progress",
    "Run",
    "RunDetail",
    "RunPage",
    "RunProgress",
    "RunStatus",
    "StepDetail",
    "StepProgress",
    "StepStatus",
]

T = TypeVar("T")

RunStatus = Literal["running", "completed", "failed", "cancelled"]
StepStatus = Literal["pending", "running", "completed", "failed", "skipped", "cancelled"]


@dataclass(frozen=True, slots=True)
class Deployed:
    """What `deploy` did: which version is active now, and what is new in it, in words."""

    flow_slug: str
    flow_version: int
    created: bool
    """Whether this content had no version yet."""
    changes: tuple[str, ...]
    """Against the version that was active before; none if that is still the active one."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run, without its steps."""

    run_id: UUID
    flow_slug: str
    flow_version: int
    status: RunStatus
    error: Mapping[str, Any] | None
    priority: int
    idempotency_key: str | None
    tags: Mapping[str, Any]
    owner: str
    created_at: datetime
    finished_at: datetime | None


class RunPage(list[Run]):
    """Runs that match, newest first, and where the list goes on."""

    def __init__(self, runs: Iterable[Run], before: UUID | None) -> None:
        super().__init__(runs)
        self.next = before
        """What to give as `before` for the runs after these; None if there are none."""

    @classmethod
    def from_json(cls, text: str) -> RunPage:
        """Read what `pgflow.list_runs` answers."""
        page = _read(_page(), text)
        return cls(page["runs"], page["next"])


class _Page(TypedDict):
    runs: list[Run]
    next: UUID | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the handler of a running step says it has come."""

    done: float
    total: float | None = None
    message: str | None = None

    def __str__(self) -> str:
        """Say it in a line."""
        of = "" if self.total is None else f" of {self.total:g}"
        return f"{self.done:g}{of}" + (f": {self.message}" if self.message else "")


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far one step of a run is."""

    step_slug: str
    step_type: Literal["single", "map"]
    status: StepStatus
    skip_reason: str | None
    error: Mapping[str, Any] | None
    """Of a step that failed; without the traceback."""
    task_count: int | None
    """None while a map step does not know its items."""
    tasks_ended: int | None
    attempts: int
    """Ended attempts that did not complete."""
    is_in_hand: bool
    """Whether a worker has the task of a single step; not told of map steps."""
    started_at: datetime | None
    finished_at: datetime | None
    progress: Progress | None = None
    """Of a single step that runs, if its handler tells."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is: cheap to ask for, however large its input, its outputs and its maps are."""

    run_id: UUID
    status: RunStatus
    paused_at: datetime | None
    steps: tuple[StepProgress, ...]

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.status != "running"

    @classmethod
    def from_json(cls, text: str) -> RunProgress:
        """Read what `pgflow.get_progress` answers."""
        return _read(_run_progress(), text)


@dataclass(frozen=True, slots=True)
class StepDetail:
    """One step of a run."""

    step_slug: str
    step_index: int
    step_type: Literal["single", "map"]
    status: StepStatus
    skip_reason: str | None
    output: Any
    error: Mapping[str, Any] | None
    task_count: int | None
    """None while a map step does not know its items."""
    tasks: Mapping[str, int]
    """How many tasks have each status."""
    attempts: int
    """Ended attempts that did not complete."""
    started_at: datetime | None
    finished_at: datetime | None
    deps: tuple[str, ...]
    progress: Progress | None = None
    """Of a single step that runs, if its handler tells; a map's is the count of its tasks."""


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run with its steps, as it stood at one moment."""

    run_id: UUID
    flow_slug: str
    flow_version: int
    status: RunStatus
    input: Any
    output: Any
    """The object of the last steps' outputs; None while the run is running."""
    error: Mapping[str, Any] | None
    priority: int | None
    tags: Mapping[str, Any]
    owner: str
    paused_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    steps: tuple[StepDetail, ...]
    outputs_left_out: bool
    """Whether the outputs of the steps were too large together, and are None here."""

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.status != "running"

    @classmethod
    def from_json(cls, text: str) -> RunDetail:
        """Read what `pgflow.get_run` answers."""
        return _read(_run_detail(), text)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """The tail of what one attempt logged."""

    step_slug: str
    task_index: int
    attempt: int
    log_tail: str
    recorded_at: datetime


def _read(adapter: TypeAdapter[T], text: str) -> T:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        if problem["type"] != "json_invalid":
            raise
        raise DatabaseError(
            f"the run holds a value that Python cannot read: {problem['msg']}. Read the run by SQL: "
            "select pgflow.get_run(...)"
        ) from None


# Made when they are first used: to make one takes longer than to read many runs.


@functools.cache
def _page() -> TypeAdapter[_Page]:
    return TypeAdapter(_Page)


@functools.cache
def _run_progress() -> TypeAdapter[RunProgress]:
    return TypeAdapter(RunProgress)


@functools.cache
def _run_detail() -> TypeAdapter[RunDetail]:
    return TypeAdapter(RunDetail)
