"""What a launch sends, and what comes of it when the network or the credentials fail."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from urllib.parse import unquote

import pytest
from pgflow.envelope import Envelope
from pgflow.errors import ConfigError
from pgflow.executor import Accepted, Capability, HandleRef, Phase, Rejected, Unknown
from pgflow_lambda import Lambda
from pgflow_lambda.executor import DurableLambdaExecutor, LambdaExecutor
from pgflow_testing.answering import response
from pgflow_testing.executor_suite import make_attempt

from .support import ARN, QUEUED, SECRET_KEY, TOKEN, failure, settled

EXTERNAL_ID = "pgf-0123456789-1"


async def test_an_event_is_one_signed_envelope(server, launch):
    result = await launch(qualifier="live")
    assert result == Accepted({"v": 1, "request_id": "req-1", "version": "$LATEST"})
    (asked,) = server.asked
    assert asked.line == "POST /2015-03-31/functions/images/invocations?Qualifier=live HTTP/1.1"
    assert asked.headers["x-amz-invocation-type"] == "Event"
    assert asked.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-3/lambda/aws4_request" in asked.headers["authorization"]
    assert "x-amz-log-type" not in asked.headers
    envelope = Envelope.parse(asked.body.decode())
    assert (envelope.attempt_token, envelope.report.url) == (TOKEN, "https://flows.example.com/")
    assert envelope.input is None


@pytest.mark.parametrize(
    ("settings", "options", "path"),
    [
        ({}, {"function": "other"}, "other/invocations"),
        ({"qualifier": "live"}, {"function": "other", "qualifier": "7"}, "other/invocations?Qualifier=7"),
        ({"qualifier": "$LATEST"}, {}, "images/invocations?Qualifier=%24LATEST"),
        ({"qualifier": "live"}, {"function": f"{ARN}:7"}, f"{ARN.replace(':', '%3A')}%3A7/invocations"),
        ({"function": ARN, "qualifier": "live"}, {}, f"{ARN.replace(':', '%3A')}/invocations?Qualifier=live"),
    ],
)
async def test_a_step_may_name_its_function_and_version(server, launch, settings, options, path):
    assert isinstance(await launch(options=options, **settings), Accepted)
    assert server.asked[0].line.split()[1] == f"/2015-03-31/functions/{path}"


async def test_a_step_without_a_function_fails_and_nothing_is_sent(server, launch):
    result = await launch(function=None)
    assert (result.kind, "names no function" in result.reason) == ("permanent", True)
    assert not server.asked


@pytest.mark.parametrize(("size", "goes_along"), [(90, True), (101, False)])
async def test_a_small_input_goes_along_when_asked(server, launch, size, goes_along):
    text = json.dumps({"run": "x" * (size - 11)})
    await launch(attempt={"input": text}, inline_below=100)
    assert Envelope.parse(server.asked[0].body.decode()).input == (text if goes_along else None)


async def test_no_input_goes_along_unless_asked(server, launch):
    await launch(attempt={"input": '{"run": 1}'})
    assert Envelope.parse(server.asked[0].body.decode()).input is None


@pytest.mark.parametrize(("mode", "most"), [("Event", 1_048_576), ("RequestResponse", 6_291_456)])
async def test_what_lambda_would_not_take_is_not_sent(server, launch, mode, most):
    server.answer = lambda _: QUEUED if mode == "Event" else response(200)
    params = json.dumps({"n": {"const": "x" * (most - 100)}})
    result = await launch(mode=mode, attempt={"params": params})
    assert (result.kind, f"takes {most:,}" in result.reason) == ("permanent", True)
    assert not server.asked


async def test_silence_is_unknown_after_one_request(server, launch):
    server.answer = lambda _: None
    assert isinstance(await launch(response_timeout=0.2), Unknown)
    await settled(lambda: server.asked)
    assert len(server.asked) == 1


@pytest.mark.parametrize("cut", [b"", b"HTTP/1.1 20", b"SSH-2.0-OpenSSH\r\n"])
@pytest.mark.parametrize("mode", ["Event", "RequestResponse"])
async def test_a_dropped_connection_is_unknown_after_one_request(server, launch, cut, mode):
    server.answer = lambda _: cut
    assert isinstance(await launch(mode=mode), Unknown)
    assert len(server.asked) == 1


async def test_nobody_listening_is_a_launch_that_never_was(launch):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    result = await launch(endpoint_url=f"http://127.0.0.1:{port}")
    assert (result.kind, "nothing was sent" in result.reason) == ("transient", True)


async def test_a_name_that_nobody_knows_is_a_launch_that_never_was(launch):
    result = await launch(endpoint_url="https://lambda.invalid")
    assert result.kind == "transient"


@pytest.mark.parametrize(
    ("mode", "number"), [("Event", 40), pytest.param("RequestResponse", 300, marks=pytest.mark.slow)]
)
async def test_launches_wait_for_each_other_neither_here_nor_there(server, started, mode, number):
    together = threading.Barrier(number)

    def answer(_):
        together.wait(60)
        return QUEUED if mode == "Event" else response(200)

    server.answer = answer
    async with started(mode=mode, connect_timeout=5, response_timeout=30, sync_timeout=40) as executor:
        options = executor.StepOptions()
        results = await asyncio.gather(*(executor.launch(make_attempt(options)) for _ in range(number)))
    assert all(isinstance(result, Accepted) for result in results)


@pytest.mark.parametrize(("most", "room"), [(None, 1000), (3, 3), (5000, 5000)])
async def test_there_is_room_for_as_many_as_the_operator_says(started, most, room):
    async with started(max_in_flight=most) as executor:
        assert executor.capacity == room
    assert executor.capacity == 0


async def test_an_executor_that_closes_waits_for_no_answer_for_long(server, started, monkeypatch):
    monkeypatch.setattr("pgflow_lambda.threads._CLOSING", 0.05)
    arrived, leave = threading.Event(), threading.Event()

    def answer(_):
        arrived.set()
        leave.wait(30)
        return QUEUED

    server.answer = answer
    async with started(response_timeout=30) as executor:
        launching = asyncio.create_task(executor.launch(make_attempt(executor.StepOptions())))
        assert await asyncio.to_thread(arrived.wait, 30)
        closing = asyncio.create_task(executor.aclose())
        assert isinstance(await launching, Unknown)
        leave.set()
        await closing


async def test_missing_credentials_are_for_the_operator_and_found_once_they_are_there(
    server, started, monkeypatch
):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    async with started() as executor:
        attempt = make_attempt(executor.StepOptions())
        result = await executor.launch(attempt)
        assert (result.kind, "NoCredentialsError" in result.reason) == ("operator", True)
        assert not server.asked
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        assert isinstance(await executor.launch(attempt), Accepted)


async def test_refused_credentials_are_read_again(server, started, monkeypatch):
    server.answer = lambda _: failure(403, "ExpiredTokenException", "The security token has expired")
    async with started() as executor:
        attempt = make_attempt(executor.StepOptions())
        result = await executor.launch(attempt)
        assert (result.kind, "expired" in result.reason) == ("operator", True)
        server.answer = lambda _: QUEUED
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDRENEWED")
        assert isinstance(await executor.launch(attempt), Accepted)
    assert "AKIDRENEWED" in server.asked[-1].headers["authorization"]


async def test_half_a_pair_of_credentials_is_for_the_operator(server, launch, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = await launch()
    assert (result.kind, "PartialCredentialsError" in result.reason) == ("operator", True)
    assert not server.asked


async def test_the_credentials_of_a_profile_are_used(server, launch, tmp_path):
    (tmp_path / "credentials").write_text(
        "[night]\naws_access_key_id = AKIDNIGHT\naws_secret_access_key = secret\n"
    )
    (tmp_path / "config").write_text("[profile night]\nregion = us-east-1\n")
    assert isinstance(await launch(profile="night", region=None), Accepted)
    assert "Credential=AKIDNIGHT/" in server.asked[0].headers["authorization"]
    assert "/us-east-1/lambda/" in server.asked[0].headers["authorization"]


@pytest.mark.parametrize(
    ("settings", "said"), [({"profile": "nobody"}, "nobody"), ({"region": None}, "specify a region")]
)
async def test_what_boto3_cannot_use_keeps_the_executor_from_starting(launch, settings, said):
    with pytest.raises(ConfigError, match=said):
        await launch(**settings)


async def test_a_target_is_needed(launch):
    with pytest.raises(ConfigError, match="set public_url"):
        await launch(report_to=None)


async def test_secrets_stand_in_no_log_reason_or_repr(server, launch, instance, caplog):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda _: failure(
        403, "InvalidSignatureException", f"does not match.\n\nThe Canonical String\n{SECRET_KEY}\x1b[31m"
    )
    refused = await launch(role_external_id=None)
    assert (refused.kind, "\x1b" in refused.reason) == ("operator", False)
    server.answer = lambda _: QUEUED
    accepted = await launch()
    told = f"{caplog.text} {instance().settings!r} {accepted!r} {refused!r}"
    for secret in (SECRET_KEY, str(TOKEN), TOKEN.hex):
        assert secret not in told


async def test_a_durable_launch_bears_the_name_of_the_attempt(server, launch):
    arn = f"{ARN}:1/durable-execution/{EXTERNAL_ID}/1"
    server.answer = lambda _: response(202, b"", x_amzn_RequestId="r", X_Amz_Durable_Execution_Arn=arn)
    result = await launch(use="lambda-durable")
    assert server.asked[0].headers["x-amz-durable-execution-name"] == EXTERNAL_ID
    assert result == Accepted({"v": 1, "request_id": "r", "durable_arn": arn})
    server.answer = lambda _: failure(409, "DurableExecutionAlreadyStartedException")
    assert (await launch(use="lambda-durable")).adopted
    await launch()
    assert "x-amz-durable-execution-name" not in server.asked[-1].headers
    assert Capability.IDEMPOTENT_LAUNCH in DurableLambdaExecutor.capabilities
    assert Capability.IDEMPOTENT_LAUNCH not in LambdaExecutor.capabilities


STOPPED = {"StopTimestamp": 1}
DURABLE = {"v": 1, "durable_arn": f"{ARN}:1/durable-execution/{EXTERNAL_ID}/1"}


def durable(handle):
    return HandleRef(make_attempt(None).run_id, "resize", 0, 1, EXTERNAL_ID, handle)


async def test_a_durable_execution_is_stopped(server, started, caplog):
    server.answer = lambda _: response(200, STOPPED)
    async with started(use="lambda-durable") as executor:
        await executor.cancel(durable(DURABLE), timedelta())
        (asked,) = server.asked
        method, path, _ = asked.line.split()
        assert (method, unquote(path)) == (
            "POST",
            f"/2025-12-01/durable-executions/{DURABLE['durable_arn']}/stop",
        )
        assert json.loads(asked.body)["ErrorType"] == "Cancelled"
        server.answer = lambda _: failure(404, "ResourceNotFoundException")
        await executor.cancel(durable(DURABLE), timedelta())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("handle", [None, {"v": 1, "durable_name": EXTERNAL_ID}])
async def test_an_execution_whose_arn_nobody_knows_is_left_to_its_heartbeats(server, started, handle):
    async with started(use="lambda-durable") as executor:
        await executor.cancel(durable(handle), timedelta())
    await executor.cancel(durable(DURABLE), timedelta())
    assert not server.asked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (failure(403, "AccessDeniedException", "not authorized"), "403 AccessDeniedException not authorized"),
        (b"", "ConnectionClosedError"),
        (None, "ReadTimeoutError"),
    ],
)
async def test_an_execution_that_cannot_be_stopped_is_said(server, started, caplog, answer, said):
    server.answer = lambda _: answer
    seconds = 0.2 if answer is None else 30
    async with started(use="lambda-durable", response_timeout=seconds) as executor:
        await executor.cancel(durable(DURABLE), timedelta())
    assert f"execution {EXTERNAL_ID} was not stopped: {said}" in caplog.text
    await settled(lambda: server.asked)
    assert len(server.asked) == 1


async def test_without_credentials_nothing_is_stopped(server, started, caplog, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    async with started(use="lambda-durable") as executor:
        await executor.cancel(durable(DURABLE), timedelta())
    assert "was not stopped: no credentials" in caplog.text
    assert not server.asked


async def test_plugins_edit_the_arguments_but_not_the_envelope(server, started):
    seen = []

    def edited(attempt, body):
        seen.append((attempt.step_slug, dict(body)))
        sent = {**body, "FunctionName": "other", "TenantId": "blue", "Payload": b"theirs"}
        sent["InvocationType"] = "RequestResponse"
        del sent["Qualifier"]
        return sent

    async with started(edited=edited, qualifier="live") as executor:
        assert isinstance(await executor.launch(make_attempt(executor.StepOptions())), Accepted)
    arguments = {"FunctionName": "images", "Qualifier": "live", "InvocationType": "Event"}
    assert seen == [("resize", arguments)]
    (asked,) = server.asked
    assert asked.line.split()[1] == "/2015-03-31/functions/other/invocations"
    assert asked.headers["x-amz-invocation-type"] == "Event"
    assert asked.headers["x-amz-tenant-id"] == "blue"
    assert Envelope.parse(asked.body.decode()).attempt_token == TOKEN
    assert any("/functions/other/event-invoke-config" in each.line for each in server.read)


async def test_a_durable_name_is_not_for_plugins_to_change(server, started):
    edited = lambda _, body: {**body, "DurableExecutionName": "theirs"}  # noqa: E731
    async with started(use="lambda-durable", edited=edited) as executor:
        await executor.launch(make_attempt(executor.StepOptions()))
    assert server.asked[0].headers["x-amz-durable-execution-name"] == EXTERNAL_ID


async def test_what_boto3_does_not_take_of_a_plugin_fails_the_task(server, started):
    async with started(edited=lambda _, body: {**body, "Memory": 512}) as executor:
        result = await executor.launch(make_attempt(executor.StepOptions()))
    assert (result.kind, "Memory" in result.reason) == ("permanent", True)
    assert not server.asked


async def test_an_executor_that_does_not_run_launches_nothing():
    executor = LambdaExecutor()
    assert executor.capacity == 0
    result = await executor.launch(make_attempt(LambdaExecutor.StepOptions()))
    assert result == Rejected("transient", "the executor is not running")
    await executor.aclose()


async def test_lambda_tells_and_stops_nothing(started):
    ref = HandleRef(make_attempt(None).run_id, "resize", 0, 1, EXTERNAL_ID)
    async with started() as executor:
        assert [seen.phase for seen in await executor.observe([ref, ref])] == [Phase.UNKNOWN] * 2
        await executor.cancel(ref, timedelta())
        await executor.cancel(ref, timedelta())


def test_a_flow_names_its_function():
    assert Lambda().executor_options() == {}
    named = Lambda("images", qualifier="live", mode="RequestResponse", executor_name="night")
    assert named.executor_options() == {
        "function": "images",
        "qualifier": "live",
        "mode": "RequestResponse",
    }
    assert (Lambda().executor_name, named.executor_name) == ("lambda", "night")


def test_the_plugin_imports_no_boto3():
    script = "import sys, pgflow_lambda.plugin; sys.exit('botocore' in sys.modules or 'boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=120).returncode == 0
