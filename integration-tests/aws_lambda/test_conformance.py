"""The kit against the Lambda executor: functions under AWS's runtime client, behind the endpoint."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pgflow.executor import Attempt
from pgflow_lambda.executor import LambdaExecutor
from pgflow_testing.aws_lambda import Fault, Function, LambdaEndpoint, Refusal
from pgflow_testing.executor_suite import ExecutorConformance, FaultBackend, configured

from .conftest import PROJECT

pytestmark = pytest.mark.slow

PROCESSES = 4


class Endpoint(FaultBackend):
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
        self.endpoint.befall(Fault(Refusal(404, "ResourceNotFoundException", "no such function")))

    def deny(self) -> None:
        self.endpoint.befall(Fault(Refusal(403, "AccessDeniedException", "not allowed to invoke")))

    def duplicate_delivery(self) -> None:
        self.endpoint.befall(Fault(copies=2))

    def kill_task(self, attempt: Attempt) -> None:
        self._signal(attempt, signal.SIGKILL)

    def freeze(self, attempt: Attempt) -> None:
        self._signal(attempt, signal.SIGSTOP)

    def requests(self, attempt: Attempt) -> int:
        return sum(token(attempt) in request.body for request in self.endpoint.requests)

    def executions(self, attempt: Attempt) -> int:
        return len(self._delivered(attempt))

    def reads(self) -> int:
        # Observing makes no request: there is nothing to ask Lambda for.
        return 0

    def exposed(self) -> str:
        return "\n".join(f"{request.target} {request.headers}" for request in self.endpoint.requests)

    def _delivered(self, attempt: Attempt):
        return [each for each in self.endpoint.deliveries("kit") if token(attempt) in each.payload]

    def _signal(self, attempt: Attempt, number: signal.Signals) -> None:
        for delivery in self._delivered(attempt):
            if delivery.answer is None:
                os.killpg(delivery.pid, number)


def token(attempt: Attempt) -> bytes:
    return str(attempt.attempt_token).encode()


class TestLambda(ExecutorConformance):
    runs = 60

    @pytest.fixture(autouse=True)
    def credentials(self, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTS")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")

    @pytest.fixture
    def backend(self) -> Iterator[Endpoint]:
        function = Function("kit", "kit_function.handler", PROJECT, concurrency=PROCESSES)
        with LambdaEndpoint([function]) as endpoint:
            yield Endpoint(endpoint)

    @pytest.fixture
    def executor(self, backend):
        settings = {"endpoint_url": backend.endpoint.url, "region": "eu-west-1", "function": "kit"}
        # What is queued waits for one of few processes: no more is launched than can run.
        return replace(configured(LambdaExecutor, **settings, response_timeout=5), max_in_flight=PROCESSES)
