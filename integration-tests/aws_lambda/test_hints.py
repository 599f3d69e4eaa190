"""Crashes are noticed long before a lease ends: by the answer, or by the on-failure queue."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws
from pgflow.envelope import ReportTarget
from pgflow.plugins import Plugins, configure
from pgflow_lambda import endings
from pgflow_lambda.executor import LambdaExecutor
from pgflow_testing.aws_lambda import Fault

from ..service.conftest import until

pytestmark = pytest.mark.slow

HOUR = 3600
SECONDS = 120.0


@contextmanager
def failures(endpoint, monkeypatch):
    """Send what the endpoint could not deliver to a queue, as its functions' on-failure destination."""
    with mock_aws():
        client = boto3.client("sqs", region_name="eu-west-1")
        url = client.create_queue(QueueName="failed")["QueueUrl"]

        class Destination(list):
            def append(self, record):
                client.send_message(QueueUrl=url, MessageBody=json.dumps(record))

        for service in endpoint._services.values():
            monkeypatch.setattr(service, "_undelivered", Destination().append)
        yield url


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")


@pytest.fixture
def start(pgflow_connection, tmp_path):
    """Start a run of one handler of `lambda_deeds`: `start("crash")`."""

    def start(handler, **run):
        step = {"step_slug": "work", "step_type": "single", "deps": [], "needs_run_input": True}
        step |= {"handler": f"lambda_deeds:{handler}", "params": {"run": "run"}, "executor": "lambda"}
        step |= {"options": {"timeout": HOUR, "launch_timeout": HOUR, "base_delay": 0}}
        definition = json.dumps({"flow_slug": handler, "steps": [step]})
        pgflow_connection.execute("select pgflow.define_flow(%s)", [definition])
        value = json.dumps({"n": 21, "trace": str(tmp_path / "trace"), **run})
        pgflow_connection.execute("select pgflow.run_flow(%s, %s)", [handler, value])

    return start


@pytest.fixture
def attempts(pgflow_connection):
    """What became of the attempts so far."""

    def attempts():
        return pgflow_connection.execute(
            "select outcome, error ->> 'code' as code, error ->> 'message' as message "
            "from pgflow.task_attempts order by attempt"
        ).fetchall()

    return attempts


def on_lambda(endpoint, api, **settings):
    given = {"endpoint_url": endpoint.url, "region": "eu-west-1", "function": "work", **settings}
    instance = configure(Plugins(executors={"lambda": LambdaExecutor}), "lambda", "lambda", given)
    return replace(instance, report_to=ReportTarget("http", f"http://127.0.0.1:{api.port}"))


@pytest.mark.parametrize("mode", ["Event", "RequestResponse"])
async def test_a_crash_is_noticed_and_the_task_tried_again(
    pgflow_database, lambdas, api, dispatching, monkeypatch, start, attempts, mode
):
    endpoint = lambdas().endpoint
    start("crash")
    with failures(endpoint, monkeypatch) as queue:
        heard = {"on_failure_queue": queue} if mode == "Event" else {}
        async with dispatching(pgflow_database, [on_lambda(endpoint, api, mode=mode, **heard)]):
            await until(lambda: [each["outcome"] for each in attempts()][1:] == ["completed"], SECONDS)
    first, second = attempts()
    assert (first["outcome"], first["code"]) == ("failed", "FUNCTION_ERROR")
    assert "exit status 3" in first["message"]
    assert second["outcome"] == "completed"


async def test_a_copy_that_crashes_does_not_end_the_one_that_goes_on(
    pgflow_database, pgflow_connection, lambdas, api, dispatching, tmp_path, monkeypatch, start, attempts
):
    # The heartbeat between the looks comes late on a slow machine.
    monkeypatch.setattr(endings, "_LOOKS_FOR_A_COPY", (2.0, 60.0, 3.0))
    began, go = (tmp_path / name for name in ("began", "go"))
    known = {"FIRST": str(tmp_path / "first"), "BEGAN": str(began)}
    endpoint = lambdas(handler="lambda_deeds.crashing_copy", environment=known, concurrency=2).endpoint
    endpoint.befall(Fault(copies=2))
    start("linger", began=str(began), go=str(go))

    def is_over():
        query = "select count(over_since) as over from pgflow.launches"
        return pgflow_connection.execute(query).fetchone()["over"]

    with failures(endpoint, monkeypatch) as queue:
        async with dispatching(pgflow_database, [on_lambda(endpoint, api, on_failure_queue=queue)]):
            await until(is_over, SECONDS)
            await until(lambda: not is_over(), SECONDS)
            go.touch()
            await until(lambda: [each["outcome"] for each in attempts()] == ["completed"], SECONDS)
    assert len(endpoint.deliveries("work")) == 2
