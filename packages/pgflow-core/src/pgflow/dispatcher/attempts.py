"""Turn claimed rows into attempts, and remember the ones that the database still counts on us for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from pgflow.database.statements.tasks import ClaimedTask
from pgflow.executor import Attempt, HandleRef

__all__ = ["AttemptBuilder", "LiveTask"]


@dataclass(slots=True, eq=False)
class LiveTask:
    """A claimed task, until the database has acknowledged its report."""

    run_id: UUID
    flow_slug: str
    step_slug: str
    task_index: int
    attempt: int
    token: UUID = field(repr=False)
    external_id: str | None
    executor: str
    address: str = field(repr=False)
    """The JSON members that name the attempt to the engine, braces left out."""
    claimed_at: float
    """On the event loop's clock."""
    renewed_at: float
    """When its lease was last taken or renewed, on the event loop's clock."""
    reported: bool = False
    """The executor is done with it; what it said is on its way."""
    started: bool = False
    """A launched attempt was seen to have made its handshake."""
    progress: str | None = None
    """How far it has come, as JSON text that the database has not been told."""
    written: str | None = None
    """What it has written, as JSON members that the database has not been told."""
    span: Any = field(default=None, repr=False)
    """What traces it, if anything does."""
    handle: dict[str, Any] | None = None
    """What the executor calls it, for launched attempts."""

    @classmethod
    def of(cls, task: ClaimedTask, executor: str, now: float) -> LiveTask:
        """Remember a claimed task."""
        # Slugs and uuids need no JSON escapes.
        address = (
            f'"run_id":"{task.run_id}","step_slug":"{task.step_slug}","task_index":{task.task_index},'
            f'"attempt_token":"{task.attempt_token}"'
        )
        return cls(
            task.run_id,
            task.flow_slug,
            task.step_slug,
            task.task_index,
            task.attempt,
            task.attempt_token,
            task.external_id,
            executor,
            address,
            now,
            now,
        )

    def ref(self) -> HandleRef:
        """Name the attempt to its executor."""
        return HandleRef(
            self.run_id, self.step_slug, self.task_index, self.attempt, self.external_id, self.handle
        )

    def fields(self) -> dict[str, object]:
        """Name the attempt in a log record; never the token."""
        return {
            "run_id": str(self.run_id),
            "flow": self.flow_slug,
            "step": self.step_slug,
            "task_index": self.task_index,
            "attempt": self.attempt,
            "executor": self.executor,
        }


class AttemptBuilder:
    """Builds attempts of one executor; step options are checked once for each text they come as."""

    def __init__(self, step_options: type[BaseModel]) -> None:
        self._step_options = step_options
        self._options = lru_cache(maxsize=1024)(self._validated)

    def build(self, task: ClaimedTask) -> Attempt:
        """Make the attempt; raises ValueError, saying what is wrong, for options the executor refuses."""
        heartbeat = task.heartbeat_timeout_seconds
        return Attempt(
            run_id=task.run_id,
            flow_slug=task.flow_slug,
            flow_version=task.flow_version,
            step_slug=task.step_slug,
            step_type=task.step_type,
            task_index=task.task_index,
            attempt=task.attempt,
            attempt_token=task.attempt_token,
            handler=task.handler,
            params=task.params,
            input=task.input,
            options=self._options(task.executor_options),
            timeout=_duration(task.timeout_seconds),
            heartbeat_timeout=None if heartbeat is None else _duration(heartbeat),
            max_attempts=task.max_attempts,
            failures=task.failures,
            external_id=task.external_id,
            lease_expires_at=task.lease_expires_at,
        )

    def _validated(self, text: str | None) -> BaseModel:
        try:
            return self._step_options.model_validate_json(text or "{}")
        except ValidationError as error:
            said = "; ".join(
                f"{'.'.join(map(str, problem['loc'])) or 'executor_options'}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            )
            raise ValueError(said) from None


@lru_cache(maxsize=256)
def _duration(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
