"""The verbs over HTTP: the claim, and those of an attempt.

The body goes to the database as the text it came as, so that numbers keep all their digits.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final, NoReturn
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pgflow.api.batches import Batches
from pgflow.api.claims import Claims
from pgflow.api.models import (
    CompleteRequest,
    FailRequest,
    HeartbeatRequest,
    ReleaseRequest,
    StartRequest,
    TaskRequest,
)
from pgflow.api.problems import Problem, unknown_task
from pgflow.api.requests import Body, read_body, read_token
from pgflow.api.settings import ApiSettings
from pgflow.api.turns import Turns
from pgflow.client.async_links import AsyncOwnLink
from pgflow.database.statements.tasks import (
    Renewal,
    heartbeat_step_tasks,
    report_step_tasks,
    start_step_task,
)

__all__ = ["TaskVerbs"]

_LEASE: Final = 30.0
"""Seconds; only for steps without a heartbeat_timeout, whose lease is longer than this anyway."""


class TaskVerbs:
    """Serves the verbs on connections of its own; `listen_dsn` leads around a pooler."""

    def __init__(self, dsn: str, settings: ApiSettings, listen_dsn: str | None = None) -> None:
        self._settings = settings
        self._claims = Claims(dsn, settings, listen_dsn)
        self._starters = Turns(dsn, settings.connections)
        self._reporters = [AsyncOwnLink(dsn) for _ in range(settings.connections)]
        self._beats = AsyncOwnLink(dsn)
        self._reports: Batches[str] = Batches([partial(_report, link) for link in self._reporters])
        self._renewals: Batches[Renewal] = Batches([partial(_renew, self._beats)])

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Serve inside the block; what is under way at its end is finished first."""
        async with AsyncExitStack() as stack:
            for link in (*self._reporters, self._beats):
                stack.push_async_callback(link.close)
            stack.push_async_callback(self._starters.aclose)
            for batches in (self._reports, self._renewals):
                batches.start()
                stack.push_async_callback(batches.aclose)
            await stack.enter_async_context(self._claims.running())
            yield

    def stop_waiting(self) -> None:
        """Answer claims that wait for tasks that there are none: the server is about to stop."""
        self._claims.stop_waiting()

    async def claim(self, request: Request) -> Response:
        """Claim tasks for a worker that shows a key."""
        return await self._claims.claim(request)

    async def start(self, request: Request) -> Response:
        """Make the start handshake of an attempt: its first instance gets the input."""
        token, body = await self._read(request)
        asked = body.read(StartRequest)
        async with self._starters.one() as link:
            found = await link.fetch(
                start_step_task(asked.run_id, asked.step_slug, asked.task_index, token, asked.instance_id)
            )
        if found.status != "started":
            _refuse(found.status)
        lease = "null" if found.lease_expires_at is None else f'"{found.lease_expires_at.isoformat()}"'
        text = f'{{"status":"started","input":{found.input},"lease_expires_at":{lease}}}'
        return Response(text, media_type="application/json")

    async def heartbeat(self, request: Request) -> Response:
        """Renew the lease of an attempt, and learn whether it is still wanted."""
        token, body = await self._read(request)
        renewal = await self._renewals.submit(_addressed(body, body.read(HeartbeatRequest), token))
        if renewal.status == "stale":
            _refuse("stale")
        lease = renewal.lease_expires_at
        return JSONResponse({"status": renewal.status, "lease_expires_at": lease and lease.isoformat()})

    async def complete(self, request: Request) -> Response:
        """Report the output of an attempt."""
        token, body = await self._read(request)
        return await self._report(_addressed(body, body.read(CompleteRequest), token, outcome="complete"))

    async def fail(self, request: Request) -> Response:
        """Report the failure of an attempt."""
        token, body = await self._read(request)
        return await self._report(_addressed(body, body.read(FailRequest), token, outcome="fail"))

    async def release(self, request: Request) -> Response:
        """Hand an attempt back."""
        token, body = await self._read(request)
        return await self._report(_addressed(body, body.read(ReleaseRequest), token, outcome="release"))

    async def _read(self, request: Request) -> tuple[UUID, Body]:
        token = read_token(request)
        return token, await read_body(request, self._settings)

    async def _report(self, report: str) -> Response:
        status = await self._reports.submit(report)
        if status in {"stale", "unknown", "invalid"}:
            _refuse(status)
        return JSONResponse({"status": status})


async def _report(link: AsyncOwnLink, reports: str) -> list[str]:
    return await link.fetch(report_step_tasks(reports))


async def _renew(link: AsyncOwnLink, tasks: str) -> list[Renewal]:
    return await link.fetch(heartbeat_step_tasks(tasks, _LEASE))


def _addressed(body: Body, asked: TaskRequest, token: UUID, outcome: str | None = None) -> str:
    """Append to the body which attempt it speaks for; the last of two keys of the same name counts."""
    address = {"run_id": str(asked.run_id), "task_index": asked.task_index, "attempt_token": str(token)}
    if outcome is not None:
        address["outcome"] = outcome
    return f"{body.text.rstrip()[:-1]},{json.dumps(address)[1:]}"


def _refuse(status: str) -> NoReturn:
    if status == "unknown":
        raise unknown_task()
    if status == "invalid":
        raise Problem("BODY_INVALID", "the engine does not understand the report")
    if status == "conflict":
        raise Problem("CONFLICT", "another instance has this attempt: stop, do not retry")
    raise Problem("STALE", "the attempt is no longer the current one: stop, do not retry")
