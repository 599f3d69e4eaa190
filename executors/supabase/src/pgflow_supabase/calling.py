"""The functions of one project over HTTP: a signed request a call, and never a second one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import httpx

from pgflow_supabase.answers import Answer
from pgflow_supabase.settings import SupabaseSettings, SupabaseStepOptions
from pgflow_supabase.signature import sign
from pgflow_supabase.transport import GuardedTransport

__all__ = ["CONNECTIONS", "Functions"]

CONNECTIONS: Final = 64
_POOL_SECONDS: Final = 5.0
_SYNC_SECONDS: Final = 20
"""How long a function may hold its answer back for the result; then the attempt goes on in the background."""
_MOST_OF_AN_ANSWER: Final = 65_536
_MOST_OF_A_RESULT: Final = 1_048_576


class Functions:
    """Calls the functions of a project.  Raises httpx.HTTPError, TimeoutError and AddressRefused."""

    def __init__(self, settings: SupabaseSettings) -> None:
        self._settings = settings
        transport = GuardedTransport(CONNECTIONS, allow_private=settings.allow_private)
        self._http = httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)

    async def aclose(self) -> None:
        """Close the connections; what was launched goes on."""
        await self._http.aclose()

    async def post(
        self,
        asked: SupabaseStepOptions,
        body: bytes,
        attempt: str,
        more_headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """Post a body to the function; a function asked for its result holds the answer back for it."""
        settings = self._settings
        held = _SYNC_SECONDS if asked.mode == "sync" else 0
        most = _MOST_OF_AN_ANSWER + (_MOST_OF_A_RESULT if held else 0)
        url = f"{settings.url}/functions/v1/{asked.function}"
        headers = {**more_headers, **_headers(settings, asked, body, attempt)}
        if held:
            headers["prefer"] = f"wait={held}"
        seconds = settings.response_timeout
        timeout = httpx.Timeout(seconds + held, connect=settings.connect_timeout, pool=_POOL_SECONDS)
        # The client's time-outs are of single reads: a server that drips must not hold the call.
        async with (
            asyncio.timeout(2 * seconds + held),
            self._http.stream("POST", url, headers=headers, content=body, timeout=timeout) as response,
        ):
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, found, await _read(response, most))


def _headers(
    settings: SupabaseSettings, asked: SupabaseStepOptions, body: bytes, attempt: str
) -> dict[str, str]:
    secret = settings.signing_secret.get_secret_value()
    headers = {
        "accept-encoding": "identity",
        "content-type": "application/json",
        "x-pgflow-attempt": attempt,
        "x-pgflow-signature": sign(secret, int(time.time()), f"/{asked.function}", body, attempt),
    }
    region = asked.region or settings.region
    if region is not None:
        headers["x-region"] = region
    if settings.key is not None:
        headers["apikey"] = settings.key.get_secret_value()
        # A new secret key is no JWT: as a bearer the gateway refuses it.
        if settings.key_kind == "legacy_jwt":
            headers["authorization"] = f"Bearer {headers['apikey']}"
    return headers


async def _read(response: httpx.Response, most: int) -> bytes:
    read = bytearray()
    async for chunk in response.aiter_raw():
        read += chunk
        if len(read) > most:
            break
    return bytes(read[:most])
