"""Executors that a test tells what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from pgflow.database import afetch
from pgflow.database.statements.tasks import complete_step_task, start_step_task
from pgflow.executor import (
    Accepted,
    Attempt,
    Capability,
    ExecutorContext,
    HandleRef,
    LaunchResult,
    Observation,
    Phase,
    ReportTarget,
    TaskReport,
)
from pgflow.plugins import ExecutorInstance
from pydantic import BaseModel, ConfigDict


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 1


class Scripted:
    """Asks the test what becomes of each attempt."""

    name: ClassVar[str] = "scripted"
    Settings: ClassVar[type[BaseModel]] = Nothing
    StepOptions: ClassVar[type[BaseModel]] = Options
    api_version: ClassVar[int] = 1
    capabilities: ClassVar[frozenset[Capability]]

    def __init__(
        self, act: Callable[[Any, Attempt], Awaitable[LaunchResult]], capacity: int = 10, **core: Any
    ) -> None:
        self.act = act
        self.core = {"report_to": ReportTarget("postgres"), **core}
        self.capacity = capacity
        self.launched: list[Attempt] = []
        self.cancelled: list[HandleRef] = []
        self.observed: list[HandleRef] = []
        self.phases: dict[UUID, Observation] = {}
        self.context: ExecutorContext | None = None

    @property
    def instance(self) -> ExecutorInstance:
        """Stand for this very object in a configuration, under the name that steps use by default."""
        made = self

        class Made:
            StepOptions = made.StepOptions

            def __new__(cls) -> Any:
                return made

        return ExecutorInstance("local", Made, Nothing(), **self.core)  # type: ignore[arg-type]

    async def start(self, ctx: ExecutorContext) -> None:
        self.context = ctx

    async def aclose(self) -> None:
        pass

    async def launch(self, attempt: Attempt) -> LaunchResult:
        self.launched.append(attempt)
        return await self.act(self, attempt)

    async def observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        self.observed.extend(refs)
        return [self._seen(ref) for ref in refs]

    async def cancel(self, ref: HandleRef, grace: timedelta) -> None:
        self.cancelled.append(ref)

    def report(self, attempt: Attempt, outcome: Any, **fields: Any) -> None:
        """Say how an attempt ended."""
        assert self.context is not None
        key = (attempt.run_id, attempt.step_slug, attempt.task_index, attempt.attempt_token)
        self.context.report(TaskReport(*key, outcome, **fields))

    def _seen(self, ref: HandleRef) -> Observation:
        seen = self.phases.get(ref.run_id, Observation(ref, Phase.RUNNING))
        return replace(seen, ref=ref)


class Here(Scripted):
    capabilities = frozenset({Capability.RUNS_HERE})


class Elsewhere(Scripted):
    capabilities = frozenset({Capability.OBSERVE, Capability.CANCEL})


class Repeatable(Scripted):
    capabilities = Elsewhere.capabilities | {Capability.IDEMPOTENT_LAUNCH}


async def accept(executor: Scripted, attempt: Attempt) -> LaunchResult:
    """Say that it is under way, and no more."""
    return Accepted({"job": attempt.external_id})


async def complete(executor: Scripted, attempt: Attempt) -> LaunchResult:
    """Complete the attempt at once with 1."""
    executor.report(attempt, "complete", output="1")
    return Accepted()


class Remote:
    """What runs somewhere else: makes the handshake and reports for itself."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.running: set[asyncio.Task[None]] = set()

    async def accept(self, executor: Scripted, attempt: Attempt) -> LaunchResult:
        """Take the attempt, and run it after the answer."""
        self.running.add(asyncio.create_task(self.run(attempt, finish=True)))
        return Accepted({"job": str(attempt.external_id)})

    async def run(self, attempt: Attempt, *, finish: bool) -> None:
        """Start the attempt, and complete it with 1 if it is to finish."""
        key = (attempt.run_id, attempt.step_slug, attempt.task_index, attempt.attempt_token)
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            started = await afetch(connection, start_step_task(*key, "remote"))
            assert started.status == "started", started.status
            if finish:
                await afetch(connection, complete_step_task(*key, "1"))
