"""The Supabase executor: posts an attempt to an edge function, which runs it and reports for itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Final, cast

import httpx
from pgflow.envelope import Envelope, ReportTarget
from pgflow.errors import ConfigError
from pgflow.executor import (
    API_VERSION,
    Attempt,
    Capability,
    ExecutorContext,
    HandleRef,
    LaunchResult,
    Observation,
    Phase,
    Rejected,
    Unknown,
)
from pydantic import BaseModel

from pgflow_supabase.answers import Answer, judge
from pgflow_supabase.settings import SupabaseSettings, SupabaseStepOptions
from pgflow_supabase.signature import sign
from pgflow_supabase.transport import AddressRefused, GuardedTransport

__all__ = ["SupabaseExecutor"]

_MOST_OF_A_BODY: Final = 65_536
_POOL_SECONDS: Final = 5.0
_CONNECTIONS: Final = 64
_ROOM: Final = 1000
"""Attempts under way at once; the operator's max_in_flight says how many a project is to have."""


class SupabaseExecutor:
    """Implements `pgflow.executor.Executor`.  The platform tells nothing of work under way and stops none."""

    name: ClassVar[str] = "supabase"
    Settings: ClassVar[type[BaseModel]] = SupabaseSettings
    StepOptions: ClassVar[type[BaseModel]] = SupabaseStepOptions
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    api_version: ClassVar[int] = API_VERSION

    def __init__(self) -> None:
        self._settings: SupabaseSettings | None = None
        self._report_to: ReportTarget | None = None
        self._http: httpx.AsyncClient | None = None

    @property
    def capacity(self) -> int:
        """How many attempts may be under way at once."""
        return 0 if self._http is None else _ROOM

    async def start(self, ctx: ExecutorContext) -> None:
        """Make the client; nothing is sent yet.  Raises ConfigError for a target no function can reach."""
        if ctx.report_to is None or ctx.report_to.kind == "postgres":
            raise ConfigError(
                f"executors.{ctx.name}: functions report over HTTP: set public_url in [api], "
                f'or report_to = {{kind = "http" or "postgrest", url = ...}} in [executors.{ctx.name}]'
            )
        self._report_to = ctx.report_to
        settings = self._settings = cast("SupabaseSettings", ctx.settings)
        timeout = httpx.Timeout(
            settings.response_timeout, connect=settings.connect_timeout, pool=_POOL_SECONDS
        )
        self._http = httpx.AsyncClient(
            transport=GuardedTransport(_CONNECTIONS),
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        """Close the connections; what was launched goes on."""
        http, self._http, self._settings = self._http, None, None
        if http is not None:
            await http.aclose()

    async def launch(self, attempt: Attempt) -> LaunchResult:
        """Post the attempt once."""
        if self._http is None or self._settings is None or self._report_to is None:
            return Rejected("transient", "the executor is not running")
        options = cast("SupabaseStepOptions", attempt.options)
        identity = (
            attempt.external_id
            or f"{attempt.run_id}-{attempt.step_slug}-{attempt.task_index}-{attempt.attempt}"
        )
        envelope = Envelope.of(attempt, self._report_to, inline_input=False)
        body = envelope.to_json().encode()
        headers = _headers(self._settings, options, body, identity)
        url = f"{self._settings.url}/functions/v1/{options.function}"
        try:
            # The client's time-outs are of single reads: a server that drips must not hold the launch.
            async with asyncio.timeout(2 * self._settings.response_timeout):
                return judge(await _post(self._http, url, headers, body), identity)
        except AddressRefused as error:
            return Rejected("operator", f"{error}: mend `url`")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Rejected("transient", f"nothing was sent: {_name(error)}")
        except (httpx.HTTPError, TimeoutError) as error:
            return Unknown(f"no answer: {_name(error)}")

    async def observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        """Know nothing: the platform has no way to ask."""
        return [Observation(ref, Phase.UNKNOWN) for ref in refs]

    async def cancel(self, ref: HandleRef, grace: timedelta) -> None:
        """Leave it to the function's next heartbeat, which says that the run was cancelled."""


def _headers(
    settings: SupabaseSettings, options: SupabaseStepOptions, body: bytes, identity: str
) -> Mapping[str, str]:
    secret = settings.signing_secret.get_secret_value()
    headers = {
        "accept-encoding": "identity",
        "content-type": "application/json",
        "x-pgflow-attempt": identity,
        "x-pgflow-signature": sign(secret, int(time.time()), f"/{options.function}", body, identity),
    }
    region = options.region or settings.region
    if region is not None:
        headers["x-region"] = region
    if settings.key is not None:
        headers["apikey"] = settings.key.get_secret_value()
        # A new secret key is no JWT: as a bearer the gateway refuses it.
        if settings.key_kind == "legacy_jwt":
            headers["authorization"] = f"Bearer {headers['apikey']}"
    return headers


async def _post(http: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    async with http.stream("POST", url, headers=headers, content=body) as response:
        read = bytearray()
        async for chunk in response.aiter_raw():
            read += chunk
            if len(read) > _MOST_OF_A_BODY:
                break
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, found, bytes(read[:_MOST_OF_A_BODY]))


def _name(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
