"""The Supabase executor: posts an attempt to an edge function, which runs it and reports for itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Final, cast

import httpx
from pgflow.envelope import Envelope, ReportTarget
from pgflow.errors import ConfigError
from pgflow.executor import (
    API_VERSION,
    Accepted,
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
    TaskReport,
    Unknown,
)
from pydantic import BaseModel

from pgflow_supabase.answers import Answer, judge
from pgflow_supabase.calling import CONNECTIONS, Functions
from pgflow_supabase.checking import check_functions, check_settings, check_timeouts
from pgflow_supabase.editing import Uneditable, edited
from pgflow_supabase.results import report_in
from pgflow_supabase.settings import SupabaseSettings, SupabaseStepOptions
from pgflow_supabase.transport import AddressRefused

__all__ = ["SupabaseExecutor"]

_ROOM: Final = 1000
"""Attempts under way at once; the operator's max_in_flight says how many a project is to have."""


@dataclass(frozen=True, slots=True)
class _Running:
    """What there is between start and aclose."""

    settings: SupabaseSettings
    functions: Functions
    report_to: ReportTarget
    report: Callable[[TaskReport], None]
    edited: Callable[[Attempt, Mapping[str, Any]], Mapping[str, Any]]


class SupabaseExecutor:
    """Implements `pgflow.executor.Executor`.  The platform tells nothing of work under way and stops none."""

    name: ClassVar[str] = "supabase"
    Settings: ClassVar[type[BaseModel]] = SupabaseSettings
    StepOptions: ClassVar[type[BaseModel]] = SupabaseStepOptions
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.CHECK, Capability.CHECK_STEPS})
    api_version: ClassVar[int] = API_VERSION
    launches_at_once: ClassVar[int] = CONNECTIONS

    def __init__(self) -> None:
        self._running: _Running | None = None

    @property
    def capacity(self) -> int:
        """How many attempts may be under way at once."""
        return 0 if self._running is None else _ROOM

    async def start(self, ctx: ExecutorContext) -> None:
        """Make the client; nothing is sent yet.  Raises ConfigError for a target no function can reach."""
        if ctx.report_to is None or ctx.report_to.kind == "postgres":
            raise ConfigError(
                f"executors.{ctx.name}: functions report over HTTP: set public_url in [api], "
                f'or report_to = {{kind = "http" or "postgrest", url = ...}} in [executors.{ctx.name}]'
            )
        settings = cast("SupabaseSettings", ctx.settings)
        self._running = _Running(settings, Functions(settings), ctx.report_to, ctx.report, ctx.edited)

    async def aclose(self) -> None:
        """Close the connections; what was launched goes on."""
        running, self._running = self._running, None
        if running is not None:
            await running.functions.aclose()

    async def launch(self, attempt: Attempt) -> LaunchResult:
        """Post the attempt once; of one that ended while the answer was held back, report the end."""
        running = self._running
        if running is None:
            return Rejected("transient", "the executor is not running")
        identity = (
            attempt.external_id
            or f"{attempt.run_id}-{attempt.step_slug}-{attempt.task_index}-{attempt.attempt}"
        )
        answer = await _post(running, attempt, identity)
        if not isinstance(answer, Answer):
            return answer
        result = judge(answer, identity)
        if cast("SupabaseStepOptions", attempt.options).mode == "sync" and isinstance(result, Accepted):
            try:
                report = report_in(answer.body, attempt)
            except ValueError as error:
                return Unknown(f"the result in the answer cannot be read: {error}")
            if report is not None:
                running.report(report)
        return result

    async def observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        """Know nothing: the platform has no way to ask."""
        return [Observation(ref, Phase.UNKNOWN) for ref in refs]

    async def cancel(self, ref: HandleRef, grace: timedelta) -> None:
        """Leave it to the function's next heartbeat, which says that the run was cancelled."""

    async def check(self) -> Sequence[Hindrance]:
        """Look at the addresses; nothing is sent."""
        running = self._running
        return [] if running is None else [*check_settings(running.settings, running.report_to)]

    async def check_steps(self, steps: Sequence[DeployedStep]) -> Sequence[Hindrance]:
        """Compare timeouts with the platform's limits, and knock at every function."""
        running = self._running
        if running is None:
            return []
        unanswered = await check_functions(running.functions, steps)
        return [*check_timeouts(running.settings, steps), *unanswered]


async def _post(running: _Running, attempt: Attempt, identity: str) -> Answer | Rejected | Unknown:
    """Post the attempt as plugins leave it; return the answer, or why there is none."""
    body = Envelope.of(attempt, running.report_to, inline_input=False).to_json().encode()
    asked = cast("SupabaseStepOptions", attempt.options)
    try:
        call = edited(asked, partial(running.edited, attempt))
        return await running.functions.post(call.asked, body, identity, call.headers)
    except Uneditable as error:
        return Rejected("permanent", str(error))
    except AddressRefused as error:
        return Rejected("operator", f"{error}; mend `url`")
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        return Rejected("transient", f"nothing was sent: {_name(error)}")
    except (httpx.HTTPError, TimeoutError) as error:
        return Unknown(f"no answer: {_name(error)}")


def _name(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
