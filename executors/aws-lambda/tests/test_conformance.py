"""The checks of the executor kit, against functions that run under AWS's own runtime client."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pgflow.executor import Attempt
from pgflow_lambda.executor import LambdaExecutor
from pgflow_testing.aws_lambda import Delivery, Fault, Function, LambdaEndpoint, Refusal
from pgflow_testing.executor_suite import (
    BaseFaultyLaunch,
    BaseStorm,
    ExecutorConformance,
    FaultBackend,
    configured,
)

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent / "function"
CONCURRENCY = 4


class LambdaHere(FaultBackend):
    """The endpoint as the kit commands it."""

    def __init__(self, endpoint: LambdaEndpoint) -> None:
        self.endpoint = endpoint

    def drop_response(self) -> None:
        self.endpoint.befall(Fault(drop=True))

    def delay(self, seconds: float) -> None:
        self.endpoint.befall(Fault(delay=seconds))

    def throttle(self, retry_after: float) -> None:
        self.endpoint.befall(Fault(Refusal.throttled(retry_after)))

    def refuse(self) -> None:
        self.endpoint.befall(Fault(Refusal(404, "ResourceNotFoundException")))

    def deny(self) -> None:
        self.endpoint.befall(Fault(Refusal(403, "AccessDeniedException")))

    def duplicate_delivery(self) -> None:
        self.endpoint.befall(Fault(copies=2))

    def kill_task(self, attempt: Attempt) -> None:
        self._signal(attempt, signal.SIGKILL)

    def freeze(self, attempt: Attempt) -> None:
        self._signal(attempt, signal.SIGSTOP)

    def requests(self, attempt: Attempt) -> int:
        return sum(_is_for(attempt, request.body) for request in self.endpoint.requests)

    def executions(self, attempt: Attempt) -> int:
        return len(self._deliveries(attempt))

    def reads(self) -> int:
        # Observing makes no request: there is nothing to ask Lambda for.
        return 0

    def exposed(self) -> str:
        return "\n".join(f"{request.target} {request.headers}" for request in self.endpoint.requests)

    def _deliveries(self, attempt: Attempt) -> list[Delivery]:
        return [each for each in self.endpoint.deliveries("kit") if _is_for(attempt, each.payload)]

    def _signal(self, attempt: Attempt, number: signal.Signals) -> None:
        for delivery in self._deliveries(attempt):
            if delivery.answer is None:
                os.killpg(delivery.pid, number)


def _is_for(attempt: Attempt, payload: bytes) -> bool:
    return str(attempt.attempt_token).encode() in payload


class _Served:
    """A function behind the endpoint, and an executor that invokes it."""

    runs = 60
    settings: ClassVar[dict[str, Any]]

    @pytest.fixture
    def backend(self):
        function = Function("kit", handler="kit_function.handler", folder=FOLDER, concurrency=CONCURRENCY)
        with LambdaEndpoint([function]) as endpoint:
            yield LambdaHere(endpoint)

    @pytest.fixture
    def executor(self, backend):
        url = backend.endpoint.url
        instance = configured(
            LambdaExecutor, endpoint_url=url, region="eu-west-3", function="kit", **self.settings
        )
        # As many as run at once: more wait in the function's queue, and their launch times out.
        return replace(instance, max_in_flight=CONCURRENCY)


class TestEvents(_Served, ExecutorConformance):
    settings: ClassVar = {"response_timeout": 5, "inline_below": 1000}


class TestRequestsAndResponses(_Served, BaseFaultyLaunch, BaseStorm):
    """Without the checks whose code waits for what comes after its launch."""

    runs = 30
    settings: ClassVar = {"mode": "RequestResponse", "sync_timeout": 30}
