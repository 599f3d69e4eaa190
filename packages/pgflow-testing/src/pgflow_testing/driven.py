"""What a driven run came to: its status and result, its steps, and every attempt at them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from pgflow.client.models import RunDetail, RunStatus, StepDetail, StepStatus
from pgflow.client.waiting import decoder, outcome
from pgflow.codec import ValueCodec, handler_types
from pgflow.runtime.stand_in import check_slugs

if TYPE_CHECKING:
    from pgflow.dsl import Flow

__all__ = ["Driven", "DrivenAttempt", "DrivenStep"]

Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class DrivenAttempt:
    """One attempt at a task."""

    step_slug: str
    task_index: int
    attempt: int
    outcome: str
    """completed, failed, timed_out, lost, launch_failed, released, cancelled or late."""
    error: Mapping[str, Any] | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class DrivenStep:
    """One step of a run that was driven."""

    step_slug: str
    status: StepStatus
    output: Any
    """What the step gave, with the types of its handler; None unless it completed."""
    error: Mapping[str, Any] | None
    skip_reason: str | None
    attempts: Sequence[DrivenAttempt]
    """Every attempt at its tasks, in the order of tasks and attempts."""


class Driven(Generic[Out]):
    """A run that was driven to its end; Out is the type of its result."""

    def __init__(self, flow: Flow[Any, Out], run: RunDetail, attempts: Sequence[DrivenAttempt]) -> None:
        self.run = run
        """The run as the client shows it."""
        self._flow = flow
        self._attempts = attempts

    @property
    def run_id(self) -> UUID:
        """The run's id."""
        return self.run.run_id

    @property
    def status(self) -> RunStatus:
        """How it ended."""
        return self.run.status

    @property
    def result(self) -> Out:
        """What the flow returned.  Raises RunFailed or RunCancelled."""
        return outcome(self.run, decoder(self._flow))

    @property
    def took(self) -> timedelta:
        """From the start to the end, by the engine's clock: waits count, though nobody waited."""
        return (self.run.finished_at or self.run.created_at) - self.run.created_at

    @cached_property
    def steps(self) -> Mapping[str, DrivenStep]:
        """The steps by slug."""
        return {step.step_slug: self._driven(step) for step in self.run.steps}

    def step(self, slug: str) -> DrivenStep:
        """Return one step; raises ValueError for a slug that the flow does not have."""
        check_slugs([slug], self.steps, self.run.flow_slug)
        return self.steps[slug]

    def __str__(self) -> str:
        """List the steps, each with its status, its attempts and what went wrong."""
        lines = [f"run {self.run_id} of flow {self.run.flow_slug!r}: {self.status}"]
        width = max((len(step.step_slug) for step in self.run.steps), default=0)
        for step in self.steps.values():
            why = step.skip_reason or _said(step.error)
            lines.append(f"  {step.step_slug:{width}}  {step.status}" + (f" ({why})" if why else ""))
            lines += [
                f"  {'':{width}}    item {attempt.task_index}, attempt {attempt.attempt}: "
                f"{attempt.outcome} ({_said(attempt.error)})"
                for attempt in step.attempts
                if attempt.error
            ]
        return "\n".join(lines)

    __repr__ = __str__

    def _driven(self, step: StepDetail) -> DrivenStep:
        attempts = [attempt for attempt in self._attempts if attempt.step_slug == step.step_slug]
        output = self._output(step) if step.status == "completed" else None
        return DrivenStep(step.step_slug, step.status, output, step.error, step.skip_reason, attempts)

    def _output(self, step: StepDetail) -> Any:
        placed = self._flow.placed_steps.get(step.step_slug)
        if placed is None:  # a version of the flow that is not the one at hand
            return step.output
        codec = ValueCodec(handler_types(placed.handler).result, f"the output of step {step.step_slug!r}")
        if step.step_type == "single":
            return codec.decode(json.dumps(step.output))
        return [None if item is None else codec.decode(json.dumps(item)) for item in step.output]


def _said(error: Mapping[str, Any] | None) -> str:
    if not error:
        return ""
    return ": ".join(str(error[key]) for key in ("code", "type", "message") if error.get(key))
