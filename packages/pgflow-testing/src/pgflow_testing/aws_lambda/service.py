"""One function behind the Invoke API: its queue, its processes, and what was delivered to them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pgflow_testing.aws_lambda.environment import Answer, Environment, Invocation
from pgflow_testing.aws_lambda.function import Function

__all__ = ["Delivery", "Service"]


@dataclass(slots=True)
class Delivery:
    """One time that a process was given a payload."""

    request_id: str
    payload: bytes = field(repr=False)
    pid: int
    answer: Answer | None = None
    """None while it works at it."""


class Service:
    """Runs a function's invocations, as many at once as its concurrency."""

    def __init__(self, function: Function, undelivered: Callable[[dict[str, Any]], None]) -> None:
        self.function = function
        self.deliveries: list[Delivery] = []
        self._undelivered = undelivered
        self._slots = asyncio.Semaphore(function.concurrency)
        self._environments: list[Environment] = []
        self._idle: list[Environment] = []
        self._events: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        """Whether an invocation that cannot wait is turned away."""
        return self._slots.locked()

    async def invoke(self, invocation: Invocation) -> Answer:
        """Run it, as soon as there is room."""
        async with self._slots:
            environment = await self._environment()
            delivery = Delivery(invocation.request_id, invocation.payload, environment.pid)
            self.deliveries.append(delivery)
            delivery.answer = await environment.run(invocation)
            self._idle.append(environment)
            return delivery.answer

    def queue(self, invocation: Invocation) -> None:
        """Run it some time: an event."""
        self._spawn(self._run_event(invocation, time.monotonic()))

    async def close(self) -> None:
        """Kill what runs and forget what is queued."""
        for event in self._events:
            event.cancel()
        await asyncio.gather(*self._events, return_exceptions=True)
        await asyncio.gather(*(each.close() for each in self._environments))

    async def _environment(self) -> Environment:
        while self._idle:
            environment = self._idle.pop()
            if environment.is_alive:
                return environment
            self._environments.remove(environment)
            await environment.close()
        environment = Environment(self.function)
        self._environments.append(environment)
        await environment.start()
        return environment

    async def _run_event(self, invocation: Invocation, since: float) -> None:
        delays = (0.0, *self.function.retry_delays)[: self.function.maximum_retry_attempts + 1]
        answer: Answer | None = None
        for count, delay in enumerate(delays):
            await asyncio.sleep(delay)
            if time.monotonic() - since > self.function.maximum_event_age:
                self._undelivered(_record(self.function, invocation, "EventAgeExceeded", count, answer))
                return
            answer = await self.invoke(invocation)
            if not answer.failed:
                return
        self._undelivered(_record(self.function, invocation, "RetriesExhausted", len(delays), answer))

    def _spawn(self, event: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(event)
        self._events.add(task)
        task.add_done_callback(self._events.discard)


def _record(
    function: Function, invocation: Invocation, condition: str, count: int, answer: Answer | None
) -> dict[str, Any]:
    """Return what an on-failure destination gets."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": invocation.request_id,
            "functionArn": f"{function.arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": count,
        },
        "requestPayload": json.loads(invocation.payload or b"null"),
    }
    if answer is not None:
        context = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
        record |= {"responseContext": context, "responsePayload": json.loads(answer.payload)}
    return record
