"""The claim over HTTP: tasks for workers that pull, who may wait for them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from pgflow.api.lines import Line, Lines
from pgflow.api.models import ClaimRequest
from pgflow.api.problems import Problem
from pgflow.api.requests import read_body, read_key
from pgflow.api.settings import ApiSettings
from pgflow.api.turns import Turns
from pgflow.database.statements.keys import claim_with_key
from pgflow.database.statements.operations import next_wake_in
from pgflow.database.statements.tasks import ClaimedTask, release_step_tasks
from pgflow.errors import PgflowError

__all__ = ["Claims"]

_LOGGER: Final = logging.getLogger("pgflow.api")


class Claims:
    """Serves claims on connections of its own; one more hears of ready tasks once somebody has asked."""

    def __init__(self, dsn: str, settings: ApiSettings, listen_dsn: str | None = None) -> None:
        self._settings = settings
        self._links = Turns(dsn, settings.connections)
        self._lines = Lines(dsn, _LOGGER, self._wake_in, listen_dsn=listen_dsn)
        self._under_way = 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Serve inside the block."""
        try:
            yield
        finally:
            self.stop_waiting()
            await self._links.aclose()

    def stop_waiting(self) -> None:
        """Answer all who wait that there is nothing."""
        self._lines.close()

    async def claim(self, request: Request) -> Response:
        """Claim tasks; with none there, wait for some as long as the worker wants, and is still there."""
        key = read_key(request)
        body = await read_body(request, self._settings)
        asked = body.read(ClaimRequest)
        if self._under_way >= self._settings.waiting_claims:
            raise Problem("TOO_MANY_CLAIMS", f"{self._under_way} claims wait already: try again")
        gone = asyncio.create_task(_hung_up(request))
        self._under_way += 1
        try:
            async with self._lines.join(asked.executor, key) as line:
                tasks = await self._wait(line, key, asked, gone)
            await asyncio.sleep(0)  # an end of the connection that has arrived is noticed
            if gone.done():
                await self._give_back(tasks)
                return Response(status_code=204)  # which nobody reads
        finally:
            self._under_way -= 1
            gone.cancel()
        text = ",".join(map(_described, tasks))
        return Response(f'{{"tasks":[{text}]}}', media_type="application/json")

    async def _wait(
        self, line: Line, key: str, asked: ClaimRequest, gone: asyncio.Task[None]
    ) -> list[ClaimedTask]:
        """Claim at once unless others wait already, then whenever it is this worker's turn."""
        until = asyncio.get_running_loop().time() + asked.wait_seconds
        seen = line.rings
        looks = not line or not asked.wait_seconds
        while True:
            if looks:
                seen = line.rings
                try:
                    tasks = await self._claim(key, asked, gone)
                except PgflowError:
                    line.pass_on()
                    raise
                if tasks:
                    line.pass_on()
                    return tasks
            left = until - asyncio.get_running_loop().time()
            if left <= 0 or not await line.turn(seen, left, gone):
                return []
            looks = True

    async def _claim(self, key: str, asked: ClaimRequest, gone: asyncio.Task[None]) -> list[ClaimedTask]:
        async with self._links.one() as link:
            if gone.done():
                return []
            return await link.fetch(
                claim_with_key(
                    key,
                    asked.executor,
                    asked.worker_id,
                    asked.max_tasks,
                    lease_seconds=asked.lease_seconds,
                    mode=asked.mode,
                    inputs=asked.inputs,
                )
            )

    async def _give_back(self, tasks: Sequence[ClaimedTask]) -> None:
        """Release what was claimed for somebody who is gone; what cannot be released is left to its lease."""
        if not tasks:
            return
        held = [
            {
                "run_id": str(task.run_id),
                "step_slug": task.step_slug,
                "task_index": task.task_index,
                "attempt_token": str(task.attempt_token),
            }
            for task in tasks
        ]
        try:
            async with self._links.one() as link:
                await link.fetch(release_step_tasks(json.dumps(held)))
        except PgflowError as error:
            _LOGGER.warning("%d tasks of a worker that is gone wait for their leases: %s", len(tasks), error)

    async def _wake_in(self, executor: str) -> float | None:
        async with self._links.one() as link:
            return await link.fetch(next_wake_in(executor))


async def _hung_up(request: Request) -> None:
    """Wait until the client ends the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _described(task: ClaimedTask) -> str:
    """Write a task as JSON; what is JSON already goes out as the text it came as."""
    own = {
        "run_id": str(task.run_id),
        "flow_slug": task.flow_slug,
        "flow_version": task.flow_version,
        "step_slug": task.step_slug,
        "step_type": task.step_type,
        "task_index": task.task_index,
        "attempt": task.attempt,
        "attempt_token": str(task.attempt_token),
        "handler": task.handler,
        "timeout_seconds": task.timeout_seconds,
        "heartbeat_timeout_seconds": task.heartbeat_timeout_seconds,
        "max_attempts": task.max_attempts,
        "failures": task.failures,
        "priority": task.priority,
        "external_id": task.external_id,
        "lease_expires_at": task.lease_expires_at.isoformat(),
    }
    texts = (("params", task.params), ("input", task.input), ("executor_options", task.executor_options))
    return "".join((json.dumps(own)[:-1], *(f',"{name}":{text or "null"}' for name, text in texts), "}"))
