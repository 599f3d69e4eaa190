"""The executor against others' emulations of AWS: moto, and LocalStack where Docker answers."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws
from pgflow.executor import Accepted, HandleRef, Phase
from pgflow_lambda.endings import external_id_of
from pgflow_testing.executor_suite import make_attempt
from pgflow_testing.servers import docker_answers

from .support import deployed, settled

pytestmark = pytest.mark.slow

REGION = "eu-west-3"
IMAGE = os.environ.get("PGFLOW_TEST_LOCALSTACK") or "localstack/localstack:4"
APP = """
def handler(event, context):
    print("about to fail")
    raise ValueError("not " + event["step_slug"])
"""


@dataclass
class Emulator:
    """AWS as somebody emulates it."""

    url: str | None
    """None: within this process."""

    def client(self, service: str) -> Any:
        patient = Config(read_timeout=300, retries={"total_max_attempts": 1})
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=patient)

    @property
    def settings(self) -> dict[str, Any]:
        return {"endpoint_url": self.url, "allow_insecure": True, "response_timeout": 30, "sync_timeout": 40}


@contextmanager
def moto() -> Iterator[Emulator]:
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield Emulator(None)


@contextmanager
def localstack() -> Iterator[Emulator]:
    if not docker_answers():
        pytest.skip("no Docker daemon answers: LocalStack was not tried")
    containers = pytest.importorskip("testcontainers.community.localstack")
    with ExitStack() as stack:
        try:
            container = containers.LocalStackContainer(IMAGE, region_name=REGION)
            container.with_env("SQS_ENDPOINT_STRATEGY", "path")
            # It runs functions in containers of their own.
            socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
            container.with_volume_mapping(socket, "/var/run/docker.sock", "rw")
            stack.callback(container.stop)
            container.start(timeout=300)
        except Exception as error:  # no image, no licence, no disk
            pytest.skip(f"{IMAGE} cannot be had: {type(error).__name__} {error}")
        yield Emulator(container.get_url())


EMULATORS: dict[str, Callable[..., Any]] = {"moto": moto, "localstack": localstack}


@pytest.fixture(params=EMULATORS)
def emulator(request):
    """Each of them, with a function `images`."""
    with EMULATORS[request.param]() as emulator:
        create_function(emulator)
        yield emulator


def create_function(emulator: Emulator) -> None:
    service = {"Service": "lambda.amazonaws.com"}
    assumed = {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [assumed]})
    role = emulator.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument=trust)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", APP)
    client = emulator.client("lambda")
    client.create_function(
        FunctionName="images",
        Runtime="python3.12",
        Role=role["Role"]["Arn"],
        Handler="app.handler",
        Code={"ZipFile": packed.getvalue()},
    )
    client.get_waiter("function_active_v2").wait(FunctionName="images")
    # The first one may have to fetch an image.
    client.invoke(FunctionName="images", Payload=b'{"step_slug": "warm"}')


async def test_an_emulator_takes_launches_and_tells_how_events_are_treated(emulator, started):
    async with started(**emulator.settings) as executor:
        (retries,) = await executor.check()
        assert "2 more times" in retries.finding
        emulator.client("lambda").put_function_event_invoke_config(
            FunctionName="images", MaximumRetryAttempts=0, MaximumEventAgeInSeconds=300
        )
        assert await executor.check() == []
        assert await executor.check_steps([deployed(executor)]) == []
        (gone,) = await executor.check_steps([deployed(executor, function="gone")])
        assert "404 ResourceNotFoundException" in gone.finding
        for mode in ("Event", "RequestResponse"):
            attempt = make_attempt(executor.StepOptions(mode=mode))
            assert isinstance(await executor.launch(attempt), Accepted)


@pytest.mark.parametrize("emulator", ["localstack"], indirect=True)
@pytest.mark.parametrize("mode", ["RequestResponse", "Event"])
async def test_a_function_that_failed_is_heard_of(emulator, started, mode):
    sqs, functions = emulator.client("sqs"), emulator.client("lambda")
    queue = sqs.create_queue(QueueName="failed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    functions.put_function_event_invoke_config(
        FunctionName="images",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    attempt = make_attempt(None)
    task = {name: getattr(attempt, name) for name in ("step_slug", "task_index", "attempt")}
    external_id = external_id_of({"run_id": str(attempt.run_id), **task})
    rung: list[str] = []
    heard = {"on_failure_queue": f"{emulator.url}/000000000000/failed"} if mode == "Event" else {}
    async with started(mode=mode, rung=rung.append, **heard, **emulator.settings) as executor:
        launched = replace(attempt, options=executor.StepOptions(), external_id=external_id)
        assert isinstance(await executor.launch(launched), Accepted)
        await settled(lambda: rung)
        ref = HandleRef(attempt.run_id, "resize", 0, 1, external_id)
        (seen,) = await executor.observe([ref])
        # moto would take it.
        refused = await executor.launch(make_attempt(executor.StepOptions(function="gone")))
    assert (seen.phase, seen.code) == (Phase.EXITED_ERROR, "FUNCTION_ERROR")
    assert "ValueError not resize" in seen.detail
    assert refused.kind == "permanent"
    assert mode == "Event" or "about to fail" in seen.log_tail
