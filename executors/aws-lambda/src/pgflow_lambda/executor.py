"""The Lambda executor: invokes a function with an attempt, which it runs and reports for itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, cast

from pgflow.envelope import Envelope, ReportTarget
from pgflow.errors import ConfigError
from pgflow.executor import (
    API_VERSION,
    Attempt,
    Capability,
    DeployedStep,
    ExecutorContext,
    HandleRef,
    Hindrance,
    LaunchResult,
    Observation,
    Phase,
    Rejected,
    Unknown,
)
from pydantic import BaseModel

from pgflow_lambda.endings import Endings
from pgflow_lambda.settings import LambdaSettings, LambdaStepOptions, Mode, Target
from pgflow_lambda.steps import check_limits, event_targets, targets_of
from pgflow_lambda.threads import Abandoned, NotBegun, Threads

if TYPE_CHECKING:
    from pgflow_lambda.checking import Examiner
    from pgflow_lambda.failures import FailureQueue
    from pgflow_lambda.invoking import Call, Invoker

__all__ = ["DurableLambdaExecutor", "LambdaExecutor"]

_ROOM: Final = 1000
"""Attempts under way at once unless max_in_flight says: as many as a region gives an account at first."""

_MOST_WAITED_FOR: Final = 1000
"""Functions whose end is waited for at once, at most: each takes a thread and a connection."""

_MOST_SENT: Final = 256
"""Events that are handed over at once, at most: more in one process would wait for each other."""

_PREPARING: Final = 60.0
"""Seconds to import boto3 and to make its clients, for machines that are slow."""

_LAUNCH_TIMEOUT: Final = 300.0
"""Seconds; what steps have that do not say."""

_MARGIN: Final = 5.0
"""Seconds for what no time-out of a client bounds: names to look up, answers that drip."""

_LARGEST: Final[dict[Mode, int]] = {"Event": 1_048_576, "RequestResponse": 6_291_456}
"""What Lambda takes of a payload, in bytes."""


@dataclass(frozen=True, slots=True)
class _Running:
    """What there is between start and aclose."""

    ctx: ExecutorContext
    settings: LambdaSettings
    report_to: ReportTarget
    invoker: Invoker
    threads: Threads
    waiting: Threads
    """For RequestResponse: as many as functions under way."""
    endings: Endings
    examiner: Examiner
    failures: FailureQueue | None


class LambdaExecutor:
    """Implements `pgflow.executor.Executor`.  Lambda tells nothing of work under way and stops none."""

    name: ClassVar[str] = "lambda"
    Settings: ClassVar[type[BaseModel]] = LambdaSettings
    StepOptions: ClassVar[type[BaseModel]] = LambdaStepOptions
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.CHECK, Capability.CHECK_STEPS, Capability.LOGS}
    )
    api_version: ClassVar[int] = API_VERSION
    launches_at_once: ClassVar[int] = _MOST_WAITED_FOR

    def __init__(self) -> None:
        self._running: _Running | None = None

    @property
    def capacity(self) -> int:
        """How many attempts may be under way at once."""
        return 0 if self._running is None else self._running.ctx.max_in_flight or _ROOM

    @property
    def sends_input(self) -> bool:
        """Whether small inputs go along."""
        return self._running is not None and self._running.settings.inline_below > 0

    async def start(self, ctx: ExecutorContext) -> None:
        """Look at the settings; nothing is waited for yet.  Raises ConfigError for what boto3 cannot use."""
        if ctx.report_to is None:
            raise ConfigError(
                f"executors.{ctx.name}: functions must know where to report to: set public_url in [api], "
                f"or report_to in [executors.{ctx.name}]"
            )
        settings = cast("LambdaSettings", ctx.settings)
        most = min(ctx.max_in_flight or _ROOM, _MOST_WAITED_FOR)
        threads = Threads(f"pgflow {ctx.name}", min(most, _MOST_SENT))
        try:
            # boto3 takes a moment to import, and its clients one to be made.
            invoker = await threads.run(_PREPARING, _invoker, settings, most)
        except ValueError as error:
            await threads.close()
            raise ConfigError(f"executors.{ctx.name}: {error}; mend `profile` or `region`") from error
        from pgflow_lambda.checking import Examiner
        from pgflow_lambda.failures import FailureQueue

        endings, examiner = Endings(ctx.changed), Examiner(invoker, threads, ctx.logger)
        url = settings.on_failure_queue
        failures = None if url is None else FailureQueue(url, invoker, endings, ctx.logger)
        waiting = Threads(f"pgflow {ctx.name} waiting", most)
        self._running = _Running(
            ctx, settings, ctx.report_to, invoker, threads, waiting, endings, examiner, failures
        )
        target = Target.of(settings, LambdaStepOptions())
        if target is not None and settings.mode == "Event":
            examiner.examine(target, _LAUNCH_TIMEOUT)

    async def aclose(self) -> None:
        """Close the connections; what was launched goes on."""
        running, self._running = self._running, None
        if running is not None:
            if running.failures is not None:
                await running.failures.close()
            await running.examiner.close()
            await running.endings.close()
            await asyncio.gather(running.threads.close(), running.waiting.close())
            running.invoker.forget()

    async def check(self) -> Sequence[Hindrance]:
        """Ask Lambda whether the instance's function may be invoked, and whether it tries events again."""
        running = self._running
        target = None if running is None else Target.of(running.settings, LambdaStepOptions())
        if running is not None and running.failures is not None:
            await running.failures.close()  # its messages are for dispatchers
        if running is None or target is None:
            return []
        return await running.examiner.found(target, events=running.settings.mode == "Event")

    async def check_steps(self, steps: Sequence[DeployedStep]) -> Sequence[Hindrance]:
        """Compare steps with the limits of functions, and ask Lambda of each function that they name."""
        said = await self.check()
        running = self._running
        if running is None:
            return []
        patience = event_targets(running.settings, steps)
        told = await asyncio.gather(
            *(
                running.examiner.found(target, events=target in patience, launch_timeout=patience.get(target))
                for target in sorted(targets_of(running.settings, steps), key=str)
            )
        )
        news = [each for found in told for each in found if each not in said]
        return [*check_limits(running.settings, steps), *news]

    async def launch(self, attempt: Attempt) -> LaunchResult:
        """Invoke the function once."""
        running = self._running
        if running is None:
            return Rejected("transient", "the executor is not running")
        call = self._call(running, attempt)
        if isinstance(call, Rejected):
            return call
        if call.mode == "Event":
            left = attempt.lease_expires_at - datetime.now(UTC)
            running.examiner.examine(call.target, left.total_seconds())
        return await self._invoke(running, call, attempt)

    async def observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        """Say what was heard of failures; the platform has no way to ask."""
        if self._running is None:
            return [Observation(ref, Phase.UNKNOWN) for ref in refs]
        return [self._running.endings.observation(ref) for ref in refs]

    async def cancel(self, ref: HandleRef, grace: timedelta) -> None:
        """Leave it to the function's next heartbeat, which says that the run was cancelled."""

    async def _invoke(self, running: _Running, call: Call, attempt: Attempt) -> LaunchResult:
        """Have a thread send it, and wait for the answer as long as that may take."""
        settings, threads = running.settings, running.threads
        answer = settings.response_timeout
        if call.mode == "RequestResponse":
            threads, answer = running.waiting, settings.sync_timeout
        limit = settings.connect_timeout + answer + _MARGIN
        try:
            invoked = await threads.run(limit, running.invoker.invoke, call)
        except NotBegun:
            return Rejected("throttled", "not sent: no thread was free, or the dispatcher stops", timedelta())
        except Abandoned:
            return Unknown("no answer yet, and the dispatcher stops")
        except TimeoutError:
            return Unknown("no answer in time")
        if invoked.ending is not None and attempt.external_id is not None:
            running.endings.note(attempt.external_id, invoked.ending)
        return invoked.result

    def _durable_name(self, attempt: Attempt) -> str | None:
        """Return what makes one execution of all invocations with it; a standard function has none."""
        return None

    def _call(self, running: _Running, attempt: Attempt) -> Call | Rejected:
        from pgflow_lambda.invoking import Call

        settings, options = running.settings, cast("LambdaStepOptions", attempt.options)
        target = Target.of(settings, options)
        if target is None:
            mend = f"name one by Lambda(...), or `function` in [executors.{running.ctx.name}]"
            return Rejected("permanent", f"step {attempt.step_slug!r} names no function: {mend}")
        mode = options.mode or settings.mode
        inline = attempt.input is not None and len(attempt.input.encode()) < settings.inline_below
        payload = Envelope.of(attempt, running.report_to, inline_input=inline).to_json().encode()
        if len(payload) > _LARGEST[mode]:
            return Rejected(
                "permanent",
                f"the envelope of step {attempt.step_slug!r} has {len(payload):,} bytes, and Lambda takes "
                f"{_LARGEST[mode]:,} in the mode {mode}: hand large values from step to step, not by const()",
            )
        call = Call.of(target, mode, payload, self._durable_name(attempt))
        return call.edited(partial(running.ctx.edited, attempt))


class DurableLambdaExecutor(LambdaExecutor):
    """For durable functions: Lambda makes one execution of all invocations with the attempt's name."""

    name: ClassVar[str] = "lambda-durable"
    capabilities: ClassVar[frozenset[Capability]] = LambdaExecutor.capabilities | {
        Capability.IDEMPOTENT_LAUNCH
    }

    async def cancel(self, ref: HandleRef, grace: timedelta) -> None:
        """Stop the execution that the launch told of; any other hears of it at its next heartbeat."""
        running, arn = self._running, (ref.handle or {}).get("durable_arn")
        if running is None or not isinstance(arn, str):
            return
        settings = running.settings
        limit = settings.connect_timeout + settings.response_timeout + _MARGIN
        try:
            refusal = await running.threads.run(limit, running.invoker.stop, arn)
        except (Abandoned, NotBegun, TimeoutError):
            refusal = "no answer in time"
        if refusal is not None:
            running.ctx.logger.warning("execution %s was not stopped: %s", ref.external_id, refusal)

    def _durable_name(self, attempt: Attempt) -> str | None:
        return attempt.external_id


def _invoker(settings: LambdaSettings, connections: int) -> Invoker:
    """Make what invokes; raises ValueError for settings that boto3 can never use."""
    from pgflow_lambda.invoking import Invoker

    for name in ("boto3", "botocore"):
        # On DEBUG they log the bodies of requests, and with them the attempt's token.
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))
    invoker = Invoker(settings, connections)
    invoker.check()
    return invoker
