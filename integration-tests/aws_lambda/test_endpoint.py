"""The endpoint as boto3 sees it: what it answers, what it delivers, and what goes wrong when told to."""

from __future__ import annotations

import subprocess
import sys

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from pgflow_testing.aws_lambda import Fault, Odds, Refusal

from .conftest import PROJECT, SECONDS, client, until


@pytest.fixture
def plain(lambdas):
    return lambda name, **configuration: lambdas(handler=f"plain.{name}", **configuration)


def refused(call) -> tuple[int, str, dict]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer


def test_a_function_gets_its_event_and_its_context(plain):
    function = plain("echo", timeout=50)
    first, second = (function.ask({"n": 1.5, "text": "é"})["Payload"] for _ in range(2))
    assert first["event"] == {"n": 1.5, "text": "é"}
    assert 0 < first["left"] <= 50_000
    assert first["id"] != second["id"]
    assert first["pid"] == second["pid"]


def test_a_function_may_be_named_by_its_arn(plain):
    function = plain("echo")
    arn = function.endpoint.functions["work"].arn
    for name in (arn, f"{arn}:live", "work:live", "000000000000:function:work"):
        assert function.client.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert function.client.invoke(FunctionName=arn, Qualifier="live")["StatusCode"] == 200


def test_what_a_function_raises_is_its_payload(plain):
    answer = plain("fail").ask({"why": "because"})
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert answer["Payload"]["errorType"] == "ValueError"
    assert answer["Payload"]["errorMessage"] == "because"


def test_a_module_that_cannot_be_imported_fails_each_invocation(lambdas):
    function = lambdas(handler="broken.handler")
    for _ in range(2):
        answer = function.ask({})
        assert answer["Payload"]["errorType"] == "ValueError"
        assert answer["Payload"]["errorMessage"] == "broken on purpose"


def test_an_isolated_function_finds_nothing_but_its_folder(plain):
    assert plain("modules", isolated=True).ask({})["Payload"] == "No module named 'pgflow'"


def test_an_event_that_fails_is_tried_again_as_configured_and_then_told_of(plain, tmp_path):
    function = plain("fail", maximum_retry_attempts=2, retry_delays=(0.0, 0.0))
    assert function.send({"why": "because"}) == 202
    (record,) = until(lambda: list(function.endpoint.undelivered))
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestPayload"] == {"why": "because"}
    assert record["responsePayload"]["errorType"] == "ValueError"
    assert len({each.request_id for each in function.endpoint.deliveries("work")}) == 1


def test_a_retry_may_succeed_and_an_old_event_is_dropped(plain, tmp_path):
    function = plain("once_failing", maximum_retry_attempts=1, retry_delays=(0.0,))
    function.send({"mark": str(tmp_path / "mark")})
    until(lambda: [each.answer and each.answer.failed for each in deliveries(function)] == [True, False])
    late = plain("fail", maximum_retry_attempts=1, retry_delays=(0.0,), maximum_event_age=0.0)
    late.send({"why": "because"})
    (record,) = until(lambda: list(late.endpoint.undelivered))
    assert record["requestContext"]["condition"] == "EventAgeExceeded"


def test_events_wait_for_room_and_what_cannot_wait_is_turned_away(plain, tmp_path):
    function = plain("hold", concurrency=1)
    for _ in range(2):
        function.send({"go": str(tmp_path / "go")})
    until(lambda: deliveries(function))
    status, code, answer = refused(lambda: function.ask({}))
    assert (status, code) == (429, "TooManyRequestsException")
    assert answer["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert len(deliveries(function)) == 1
    (tmp_path / "go").touch()
    until(lambda: [bool(each.answer) for each in deliveries(function)] == [True, True])


REFUSALS = [
    (Refusal.throttled(7), 429, "TooManyRequestsException"),
    (Refusal(500, "ServiceException"), 500, "ServiceException"),
    (Refusal(502, "ENILimitReachedException"), 502, "ENILimitReachedException"),
    (Refusal(403, "AccessDeniedException"), 403, "AccessDeniedException"),
]


@pytest.mark.parametrize(("refusal", "status", "code"), REFUSALS)
def test_a_refusal_is_the_error_that_botocore_knows_and_runs_nothing(plain, refusal, status, code):
    function = plain("echo")
    function.endpoint.befall(Fault(refusal))
    found = refused(lambda: function.send({}))
    assert found[:2] == (status, code)
    if refusal.retry_after:
        assert found[2]["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"
        assert found[2]["Reason"].startswith("Reserved")
    assert function.endpoint.deliveries("work") == []


def test_a_dropped_answer_is_a_closed_connection_after_the_event_was_taken(plain):
    function = plain("echo")
    function.endpoint.befall(Fault(drop=True), Fault(delay=0.01))
    with pytest.raises(ConnectionClosedError):
        function.send({"n": 1})
    assert function.send({"n": 2}) == 202
    until(lambda: len(deliveries(function)) == 2)
    assert len(function.endpoint.requests) == 2


def test_odds_draw_the_same_faults_from_the_same_seed():
    first, second = (Odds(7, drop=0.2, duplicate=0.2, throttle=0.1) for _ in range(2))
    drawn = [first() for _ in range(500)]
    assert drawn == [second() for _ in range(500)]
    assert 60 < sum(fault.drop for fault in drawn) < 140
    assert {fault.copies for fault in drawn} == {1, 2}


def test_what_lambda_would_not_take(plain):
    function = plain("echo")
    assert refused(lambda: function.send("x" * (2**20 + 1)))[:2] == (413, "RequestTooLargeException")
    assert refused(lambda: function.send("{"))[:2] == (400, "InvalidRequestContentException")
    other = client(function.endpoint.url)
    assert refused(lambda: other.invoke(FunctionName="other"))[:2] == (404, "ResourceNotFoundException")
    assert refused(lambda: other.list_tags(Resource=function.endpoint.functions["work"].arn))[0] == 404
    assert function.endpoint.deliveries("work") == []
    other.close()


def test_the_configuration_is_what_the_function_has(plain):
    function = plain("echo", timeout=30, memory_mb=256, maximum_retry_attempts=1)
    event = function.client.get_function_event_invoke_config(FunctionName="work")
    assert (event["MaximumRetryAttempts"], event["MaximumEventAgeInSeconds"]) == (1, 21_600)
    found = function.client.get_function_configuration(FunctionName="work")
    assert (found["Timeout"], found["MemorySize"]) == (30, 256)


def test_it_is_served_from_the_command_line():
    command = [sys.executable, "-m", "pgflow_testing.aws_lambda", "plain.echo", "--folder", str(PROJECT)]
    command += ["--port", "0", "--maximum-event-age", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("serving function plain at http://127.0.0.1:"), line
        served = client(line.split()[-1])
        assert served.invoke(FunctionName="plain", Payload=b"{}")["StatusCode"] == 200
        config = served.get_function_event_invoke_config(FunctionName="plain")
        assert config["MaximumEventAgeInSeconds"] == 60
        served.close()
    finally:
        process.terminate()
        assert process.wait(SECONDS) == 0
        process.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plain.echo", "--folder", "nowhere"], "function plain: "),
        (["plain.echo", "--env", "NAME"], "'NAME' is not NAME=VALUE"),
    ],
)
def test_the_command_line_says_what_cannot_be_served(arguments, message):
    command = [sys.executable, "-m", "pgflow_testing.aws_lambda", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.slow
def test_moto_and_this_endpoint_agree_on_the_wire_format_of_what_both_have(plain):
    """A name that neither knows gives the same error code, status and type."""
    from moto import mock_aws

    ours = refused(lambda: plain("echo").client.get_function_configuration(FunctionName="none"))
    with mock_aws():
        theirs = boto3.client(
            "lambda", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        assert refused(lambda: theirs.get_function_configuration(FunctionName="none"))[:2] == ours[:2]


def deliveries(function):
    return function.endpoint.deliveries("work")
