"""The bench that a check works at: a real database, claimed attempts, running executors, a dispatcher."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, Final, Literal, Self, TypeVar
from uuid import UUID

import psycopg
import pytest
from pgflow.database import connect, fetch
from pgflow.database.statements.tasks import ClaimedTask, claim_step_tasks, report_step_tasks
from pgflow.dispatcher import Dispatcher
from pgflow.dispatcher.attempts import AttemptBuilder, LiveTask
from pgflow.dispatcher.reports import as_array, encode
from pgflow.envelope import ReportTarget
from pgflow.executor import (
    Accepted,
    Attempt,
    Capability,
    Executor,
    ExecutorContext,
    HandleRef,
    LaunchResult,
    Observation,
    Phase,
    TaskReport,
)
from pgflow.plugins import ExecutorInstance, Plugins, configure
from psycopg.rows import dict_row

from pgflow_testing.executor_suite.api import Answers, serve_api
from pgflow_testing.executor_suite.backend import FaultBackend
from pgflow_testing.executor_suite.contract import breach, expect
from pgflow_testing.executor_suite.marks import Marks

__all__ = ["LIVE", "Bench", "Launched", "configured"]

T = TypeVar("T")

PATIENCE: Final = 120.0
"""Seconds until what must come about counts as not coming: for broken code, not for slow machines."""

LIVE: Final = frozenset({Phase.PENDING, Phase.RUNNING})

_HANDLER: Final = "pgflow_testing.executor_suite.handlers:work"


def configured(executor: type[Executor], **settings: Any) -> ExecutorInstance:
    """Configure an executor as the table `[executors.<name>]` would; raises ConfigError."""
    return configure(Plugins(executors={executor.name: executor}), executor.name, executor.name, settings)


class Bench:
    """Makes what a check needs, and takes it away again."""

    def __init__(
        self,
        dsn: str,
        instance: ExecutorInstance,
        backend: FaultBackend,
        marks: Marks,
        step_options: Mapping[str, Any],
    ) -> None:
        self.dsn = dsn
        self.instance = instance
        self.backend = backend
        self.marks = marks
        self.step_options = step_options
        self.capabilities = instance.executor.capabilities
        self.runs_here = Capability.RUNS_HERE in self.capabilities
        self.launched: list[Attempt] = []
        """What dispatchers launched."""
        self._connection: psycopg.Connection[Any] = connect(dsn, application_name="pgflow kit")
        self._claimed: dict[UUID, ClaimedTask] = {}
        self._stack = ExitStack()
        self._answers: Answers | None = None
        self._hastened = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.marks.go()
        self._stack.close()
        self._connection.close()

    @property
    def answers(self) -> Answers:
        """What the completion API answered; it is served from the first use on."""
        if self._answers is None:
            self._answers = self._stack.enter_context(serve_api(self.dsn))
        return self._answers

    @property
    def report_to(self) -> ReportTarget | None:
        """Where launched code reports to."""
        return None if self.runs_here else ReportTarget("http", self.answers.url)

    def needs(self, capability: Capability) -> None:
        """Skip the check unless the executor declares the capability."""
        if capability not in self.capabilities:
            pytest.skip(f"{self.instance.executor.__name__} does not declare {capability.name}")

    def elsewhere_only(self) -> None:
        """Skip a check of what only happens where code runs elsewhere."""
        if self.runs_here:
            pytest.skip(f"{self.instance.executor.__name__} declares RUNS_HERE: nothing is remote")

    def start_runs(
        self, count: int = 1, *, hold: bool = False, value: Any = None, ballast: str = "", **options: Any
    ) -> None:
        """Start runs of a flow with one step, which returns `value`, after `marks.go()` if it is to hold."""
        slug = f"check_{uuid.uuid4().hex[:8]}"
        step: dict[str, Any] = {
            "step_slug": "work",
            "step_type": "single",
            "deps": [],
            "needs_run_input": True,
            "params": {"job": "run"},
            "handler": _HANDLER,
            "executor": self.instance.name,
            "executor_options": dict(self.step_options),
            "options": {"base_delay": 0, **options},
        }
        definition = json.dumps({"flow_slug": slug, "steps": [step]})
        job = json.dumps({"folder": str(self.marks.folder), "hold": hold, "value": value, "ballast": ballast})
        self._connection.execute("select pgflow.define_flow(%s)", (definition,))
        self._connection.execute("select pgflow.run_flows(%s, %s::jsonb[])", (slug, [job] * count))

    def claim(self, count: int = 1, *, with_input: bool = False, **run: Any) -> list[Attempt]:
        """Start runs and claim their tasks, as the executor's lane would."""
        self.start_runs(count, **run)
        mode: Literal["start", "launch"] = "start" if self.runs_here else "launch"
        inputs: Literal["full", "none"] = "full" if self.runs_here or with_input else "none"
        builder = AttemptBuilder(self.instance.executor.StepOptions)
        claimed = fetch(
            self._connection,
            claim_step_tasks(self.instance.name, "kit", count, lease_seconds=60, mode=mode, inputs=inputs),
        )
        self._claimed.update((task.attempt_token, task) for task in claimed)
        return [builder.build(task) for task in claimed]

    def rows(self, query: Any, *values: object) -> list[dict[str, Any]]:
        """Ask the database."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, values).fetchall()

    def task(self, attempt: Attempt) -> dict[str, Any]:
        """Read the attempt's task as it stands."""
        (row,) = self.rows("select * from pgflow.step_tasks where run_id = %s", attempt.run_id)
        return row

    def ended(self) -> Counter[str]:
        """Count the runs that have ended, by status."""
        rows = self.rows("select status from pgflow.runs where status <> 'running'")
        return Counter(row["status"] for row in rows)

    def hasten(self, check: int) -> None:
        """Let all that was launched be due for a look, and be over for long where it is over."""
        self._hastened += 1
        expect(check, self._hastened < PATIENCE * 10, "what is over was not noticed")
        self._connection.execute(
            "update pgflow.launches set look_at = clock_timestamp(), "
            "claimed_at = claimed_at - interval '10 minutes', over_since = over_since - interval '1 minute'"
        )

    def make(self, fault: str, *, retry_after: float) -> None:
        """Have the backend spoil the next start request."""
        verb: Callable[..., None] = getattr(self.backend, fault)
        verb(retry_after) if fault == "throttle" else verb()

    def outcomes(self, attempt: Attempt) -> list[tuple[int, str, str | None]]:
        """Return (attempt, outcome, error code) of each attempt at the task."""
        rows = self.rows(
            "select attempt, outcome, error ->> 'code' as code from pgflow.task_attempts "
            "where run_id = %s order by attempt",
            attempt.run_id,
        )
        return [(row["attempt"], row["outcome"], row["code"]) for row in rows]

    def deliver(self, report: TaskReport) -> str:
        """Give the engine a report; return what it answers."""
        live = LiveTask.of(self._claimed[report.attempt_token], self.instance.name, 0.0)
        return fetch(self._connection, report_step_tasks(as_array([encode(live, report)])))[0]

    def replace(self, attempt: Attempt, value: str) -> None:
        """Let the attempt be lost, and complete its task by another one, with this JSON text as output."""
        with self._tomorrow() as later:
            (task,) = fetch(later, claim_step_tasks(self.instance.name, "other", 1))
            key = (task.run_id, task.step_slug, task.task_index, task.attempt_token)
            later.execute("select pgflow.complete_step_task(%s, %s, %s, %s, %s::jsonb)", (*key, value))

    def lapse(self) -> None:
        """Let every lease and deadline pass."""
        with self._tomorrow():
            pass

    @contextmanager
    def _tomorrow(self) -> Generator[psycopg.Connection[Any]]:
        """Give a connection whose engine thinks a day has passed, and has followed what is due."""
        with connect(self.dsn, application_name="pgflow kit") as later:
            later.execute(
                "select set_config('pgflow.fake_now', (clock_timestamp() + interval '1 day')::text, false)"
            )
            later.execute("select pgflow.maintain()")
            yield later

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Launched]:
        """Start an executor as a dispatcher would; close it at the end."""
        executor = self.instance.executor()
        launched = Launched(self, executor)
        await executor.start(self._context(launched.report))
        try:
            yield launched
        finally:
            async with asyncio.timeout(PATIENCE):
                await executor.aclose()

    @asynccontextmanager
    async def dispatching(self, *, lease: float = 30.0) -> AsyncGenerator[Dispatcher]:
        """Serve the database by a real dispatcher with this executor."""
        dispatcher = Dispatcher(self.dsn, [_instrumented(self)], lease=lease, grace=0.5)
        serving = asyncio.create_task(dispatcher.run())
        try:
            await self.until(lambda: serving.done() or dispatcher.status().state == "running", "the start")
            yield dispatcher
        finally:
            dispatcher.request_stop()
            async with asyncio.timeout(PATIENCE):
                await serving

    async def until(self, condition: Callable[[], T], what: str, check: int | None = None) -> T:
        """Wait until something holds; else the check fails."""
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            if time.monotonic() >= deadline:
                said = f"{what} did not come about within {PATIENCE:g} s"
                if check is None:
                    pytest.fail(said)
                breach(check, said)
            await asyncio.sleep(0.01)
        return value

    async def end_of(self, attempt: Attempt, check: int) -> dict[str, Any]:
        """Wait until the attempt's task has ended; return it."""
        await self.until(lambda: self.task(attempt)["finished_at"], "the end of the attempt", check)
        return self.task(attempt)

    def _context(self, report: Callable[[TaskReport], None]) -> ExecutorContext:
        return ExecutorContext(
            name=self.instance.name,
            worker_id="kit",
            settings=self.instance.settings,
            logger=logging.getLogger(f"pgflow.kit.{self.instance.name}"),
            report=report,
            report_to=self.report_to,
        )


class Launched:
    """A running executor, and what it reports."""

    def __init__(self, bench: Bench, executor: Executor) -> None:
        self.executor = executor
        self.reports: list[tuple[TaskReport, str]] = []
        """What was reported through the context, and what the engine answered."""
        self._bench = bench

    async def launch(self, attempt: Attempt, check: int) -> LaunchResult:
        """Launch; an exception breaks the contract."""
        limit = asyncio.timeout(PATIENCE)
        try:
            async with limit:
                return await self.executor.launch(attempt)
        except Exception as error:
            if limit.expired():
                breach(check, f"launch had not returned after {PATIENCE:g} s")
            breach(check, f"launch raised {error!r}: what goes wrong remotely is an answer, not an exception")

    async def accepted(self, attempt: Attempt, check: int) -> HandleRef:
        """Launch, and take it for granted that it is accepted; return what the core would store."""
        result = await self.launch(attempt, check)
        if not isinstance(result, Accepted):
            breach(check, f"launch answered {result!r} where nothing was wrong")
        return self.ref(attempt, result)

    async def observe(self, refs: Sequence[HandleRef], check: int) -> Sequence[Observation]:
        """Observe; an exception, or another number of answers, breaks the contract."""
        try:
            async with asyncio.timeout(PATIENCE):
                seen = await self.executor.observe(refs)
        except Exception as error:
            breach(check, f"observe raised {error!r}")
        if [observation.ref for observation in seen] != list(refs):
            breach(check, f"observe gave {len(seen)} answers for {len(refs)} refs, or not in their order")
        return seen

    async def cancel(self, ref: HandleRef, check: int) -> None:
        """Cancel; an exception breaks the contract."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.executor.cancel(ref, timedelta(seconds=0.2))
        except Exception as error:
            breach(check, f"cancel raised {error!r}")

    async def gone(self, ref: HandleRef, what: str, check: int) -> None:
        """Wait until an attempt is seen neither to wait nor to run."""
        deadline = time.monotonic() + PATIENCE
        while (await self.observe([ref], check))[0].phase in LIVE:
            expect(check, time.monotonic() < deadline, f"{what} was not seen within {PATIENCE:g} s")
            await asyncio.sleep(0.02)

    def report(self, report: TaskReport) -> None:
        """Take a report as a lane does: at once, without waiting."""
        self.reports.append((report, self._bench.deliver(report)))

    @staticmethod
    def ref(attempt: Attempt, result: LaunchResult | None = None) -> HandleRef:
        """Name an attempt by what the core stores of it: the handle has been JSON in between."""
        handle = json.loads(json.dumps(result.handle)) if isinstance(result, Accepted) else None
        return HandleRef(
            attempt.run_id,
            attempt.step_slug,
            attempt.task_index,
            attempt.attempt,
            attempt.external_id,
            handle,
        )


def _instrumented(bench: Bench) -> ExecutorInstance:
    """Return the instance with executors that note what they launch, and are observed often."""
    made: Any = bench.instance.executor

    async def launch(self: Any, attempt: Attempt) -> LaunchResult:
        bench.launched.append(attempt)
        result: LaunchResult = await made.launch(self, attempt)
        return result

    return dataclasses.replace(
        bench.instance,
        executor=type(made.__name__, (made,), {"launch": launch}),
        report_to=bench.report_to,
        observe_every=0.1,
    )
