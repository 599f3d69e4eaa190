"""Crashes are noticed long before a lease ends: by the answer, or by the on-failure queue."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws
from pgflow.envelope import ReportTarget
from pgflow.plugins import Plugins, configure
from pgflow_lambda.executor import LambdaExecutor

pytestmark = pytest.mark.slow

HOUR = 3600


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


@pytest.mark.parametrize("mode", ["Event", "RequestResponse"])
async def test_a_crash_is_noticed_and_the_task_tried_again(
    pgflow_database, pgflow_connection, lambdas, api, dispatching, tmp_path, monkeypatch, mode
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    endpoint = lambdas().endpoint
    step = {"step_slug": "work", "step_type": "single", "deps": [], "needs_run_input": True}
    step |= {"handler": "lambda_deeds:crash", "params": {"run": "run"}, "executor": "lambda"}
    step |= {"options": {"timeout": HOUR, "launch_timeout": HOUR, "base_delay": 0}}
    definition = json.dumps({"flow_slug": "crashing", "steps": [step]})
    pgflow_connection.execute("select pgflow.define_flow(%s)", [definition])
    value = json.dumps({"n": 21, "trace": str(tmp_path / "trace")})
    pgflow_connection.execute("select pgflow.run_flow('crashing', %s)", [value])
    with failures(endpoint, monkeypatch) as queue:
        given = {"endpoint_url": endpoint.url, "region": "eu-west-1", "function": "work", "mode": mode}
        given |= {"on_failure_queue": queue} if mode == "Event" else {}
        instance = configure(Plugins(executors={"lambda": LambdaExecutor}), "lambda", "lambda", given)
        instance = replace(instance, report_to=ReportTarget("http", f"http://127.0.0.1:{api.port}"))

        def ended():
            return pgflow_connection.execute(
                "select status from pgflow.runs where status <> 'running'"
            ).fetchall()

        async with asyncio.timeout(120), dispatching(pgflow_database, [instance]):
            while not ended():  # noqa: ASYNC110  the database tells nobody here
                await asyncio.sleep(0.1)
    attempts = pgflow_connection.execute(
        "select outcome, error ->> 'code' as code, error ->> 'message' as message "
        "from pgflow.task_attempts order by attempt"
    ).fetchall()
    assert [(each["outcome"], each["code"]) for each in attempts] == [
        ("failed", "FUNCTION_ERROR"),
        ("completed", None),
    ]
    assert "exit status 3" in attempts[0]["message"]
