"""Lambda on this machine, the completion API, and attempts to hand over."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from pgflow_testing.aws_lambda import Function, LambdaEndpoint

from ..api.conftest import Remote, api, serve  # noqa: F401  fixtures
from ..service.conftest import dispatching  # noqa: F401  a fixture

PROJECT = Path(__file__).parent / "project"
SECONDS = 60.0

sys.path.insert(0, str(PROJECT))


def client(url: str) -> Any:
    """As the executor makes it: nothing is tried again."""
    config = Config(
        retries={"total_max_attempts": 1, "mode": "standard"}, connect_timeout=SECONDS, read_timeout=SECONDS
    )
    keys = {"aws_access_key_id": "AKIATESTS", "aws_secret_access_key": "none"}
    return boto3.client("lambda", endpoint_url=url, region_name="eu-west-1", config=config, **keys)


def until(condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come to hold"
        time.sleep(0.02)
    return found


class Lambda:
    """An endpoint with one function, `work`, and a client of it."""

    def __init__(self, endpoint: LambdaEndpoint) -> None:
        self.endpoint = endpoint
        self.client = client(endpoint.url)

    def send(self, payload: str | object) -> int:
        """Invoke it as an event; returns the status."""
        body = payload if isinstance(payload, str) else json.dumps(payload)
        return self.client.invoke(FunctionName="work", InvocationType="Event", Payload=body)["StatusCode"]

    def ask(self, payload: str | object, **more: object) -> dict[str, Any]:
        """Invoke it and wait for its answer."""
        body = payload if isinstance(payload, str) else json.dumps(payload)
        answer = self.client.invoke(FunctionName="work", Payload=body, **more)
        return {**answer, "Payload": json.loads(answer["Payload"].read() or b"null")}


@pytest.fixture
def lambdas() -> Iterator[Callable[..., Lambda]]:
    """Serve a function: `lambdas(handler="lambda_deeds.handler", timeout=3)`."""
    running: list[Lambda] = []

    def start(*, faults: Any = None, **configuration: Any) -> Lambda:
        given = {"name": "work", "handler": "lambda_deeds.handler", "folder": PROJECT, **configuration}
        endpoint = LambdaEndpoint([Function(**given)], **({} if faults is None else {"faults": faults}))
        running.append(Lambda(endpoint.__enter__()))
        return running[-1]

    yield start
    for each in running:
        each.client.close()
        each.endpoint.__exit__()


@pytest.fixture
def deeds(api, pgflow_connection, tmp_path):  # noqa: F811
    """Launched attempts of `lambda_deeds`: `deeds("crash")` returns an envelope."""
    remote = Remote(pgflow_connection, f"http://127.0.0.1:{api.port}", tmp_path)

    class Deeds:
        def __call__(self, handler: str, module: str = "lambda_deeds", run: object = None, **options: Any):
            slug = f"flow_{uuid.uuid4().hex[:8]}"
            step = {"step_slug": "work", "step_type": "single", "deps": [], "needs_run_input": True}
            step |= {"handler": f"{module}:{handler}", "params": {"run": "run"}}
            step |= {"options": {"base_delay": 0, "jitter": 0, **options}}
            pgflow_connection.execute(
                "select pgflow.define_flow(%s)", [json.dumps({"flow_slug": slug, "steps": [step]})]
            )
            value = json.dumps(run or {"n": 21, "trace": str(tmp_path / "trace")})
            pgflow_connection.execute("select pgflow.run_flow(%s, %s)", [slug, value])
            return remote.claimed()

        def traces(self) -> list[list[str]]:
            trace = tmp_path / "trace"
            return [line.split() for line in trace.read_text().splitlines()] if trace.exists() else []

        task = staticmethod(remote.task)
        attempts = staticmethod(remote.attempts)
        next_attempt = staticmethod(remote.next_attempt)

        def ended(self, envelope):
            return until(lambda: (task := remote.task(envelope)).status in {"completed", "failed"} and task)

    return Deeds()
