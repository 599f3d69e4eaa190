"""A server that answers as a test says, in the form of the Lambda API, and steps that are deployed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta

from pgflow.envelope import ReportTarget
from pgflow.executor import DeployedStep
from pgflow_testing.answering import Asked, Server, response
from pgflow_testing.executor_suite import make_attempt

SECRET_KEY = "wJalrXUtnFEMI/canary"
TOKEN = make_attempt(None).attempt_token
REPORT_TO = ReportTarget("http", "https://flows.example.com")
ARN = "arn:aws:lambda:eu-west-3:123456789012:function:images"


def failure(status: int, code: str, message: str = "said by Lambda", **headers: str) -> bytes:
    """Refuse as Lambda does: the code stands in a header, beside it in no body."""
    body = {"Type": "User", "message": message}
    return response(status, body, x_amzn_ErrorType=f"{code}:http://internal.amazon.com/", **headers)


GOOD_CONFIG = response(200, {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})
QUEUED = response(202, b"", x_amzn_RequestId="req-1", X_Amz_Executed_Version="$LATEST")


class LambdaApi(Server):
    """Answers invocations as a test says; questions for the configuration of events by `event_config`."""

    def __init__(self) -> None:
        super().__init__(lambda _: QUEUED)
        self.event_config = GOOD_CONFIG
        self.read: list[Asked] = []
        """The requests that are no invocations; `asked` are those that are."""

    def answer_to(self, asked: Asked) -> bytes | Iterable[bytes] | None:
        if asked.line.startswith("POST "):
            return super().answer_to(asked)
        self.read.append(asked)
        return self.event_config


async def settled(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  logs, bells and servers tell nobody
            await asyncio.sleep(0.01)


def deployed(executor, *, timeout=60, launch=300, **options) -> DeployedStep:
    asked = executor.StepOptions(**options)
    times = [timedelta(seconds=seconds) for seconds in (timeout, launch)]
    return DeployedStep("thumbnails", "resize", asked, *times, None)
