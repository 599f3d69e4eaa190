"""What each answer of Lambda means, row by row, in the form in which it comes over the wire."""

from __future__ import annotations

from datetime import timedelta

import boto3
import botocore.session
import pytest
from botocore.exceptions import ParamValidationError
from botocore.stub import Stubber
from pgflow.executor import Accepted, Rejected, Unknown
from pgflow_lambda.answers import judge
from pgflow_lambda.invoking import Call, Invoker
from pgflow_lambda.settings import LambdaSettings, Target
from pgflow_testing.answering import response

from .support import QUEUED, LambdaApi, failure

ROWS = """
throttled  429 TooManyRequestsException
throttled  502 EC2ThrottledException
throttled  400 ThrottlingException
transient  409 CodeArtifactUserPendingException
transient  502 EC2UnexpectedException
transient  408 EFSMountConnectivityException
transient  408 EFSMountTimeoutException
transient  502 ENILimitReachedException
transient  502 ENINotReadyException
transient  409 ResourceConflictException
transient  502 ResourceNotReadyException
transient  408 S3FilesMountConnectivityException
transient  408 S3FilesMountTimeoutException
transient  409 SnapStartNotReadyException
transient  409 SnapStartRegenerationFailureException
transient  408 SnapStartTimeoutException
transient  502 SubnetIPAddressLimitReachedException
permanent  409 CodeArtifactUserDeletedException
permanent  409 CodeArtifactUserFailedException
permanent  502 EC2AccessDeniedException
permanent  403 EFSMountFailureException
permanent  400 InvalidParameterValueException
permanent  400 InvalidRequestContentException
permanent  502 InvalidRuntimeException
permanent  502 InvalidSecurityGroupIDException
permanent  502 InvalidSubnetIDException
permanent  502 InvalidZipFileException
permanent  502 KMSAccessDeniedException
permanent  502 KMSDisabledException
permanent  502 KMSInvalidStateException
permanent  502 KMSNotFoundException
permanent  400 ModeNotSupportedException
permanent  400 NoPublishedVersionException
permanent  400 RecursiveInvocationException
permanent  413 RequestEntityTooLargeException
permanent  413 RequestTooLargeException
permanent  404 ResourceNotFoundException
permanent  409 RuntimeAliasDeletedException
permanent  409 RuntimeVersionDeletedException
permanent  403 S3FilesMountFailureException
permanent  413 SerializedRequestEntityTooLargeException
permanent  402 ServiceQuotaExceededException
permanent  400 SnapStartException
permanent  415 UnsupportedMediaTypeException
permanent  400 ValidationException
operator   403 AccessDeniedException
operator   403 ExpiredTokenException
operator   403 IncompleteSignatureException
operator   403 InvalidSignatureException
operator   403 MissingAuthenticationTokenException
operator   403 UnrecognizedClientException
unknown    500 ServiceException
unknown    500 InternalFailure
unknown    503 ServiceUnavailableException
unknown    410 EFSIOException
unknown    409 DurableExecutionAlreadyStartedException
unknown    400 WhatNobodyHasHeardOfException
unknown    418 TeapotException
"""
TABLE = [line.split() for line in ROWS.strip().splitlines()]


@pytest.fixture(scope="module")
def server(models):
    with LambdaApi() as server:
        yield server


@pytest.fixture(scope="module")
def invoker(server):
    settings = LambdaSettings(endpoint_url=server.url, region="eu-west-3", function="images")
    invoker = Invoker(settings, 4)
    yield invoker
    invoker.forget()


@pytest.fixture
def invoke(server, invoker):
    """Invoke once and return what came of it; the server was asked once."""

    def invoke(answer, mode="Event"):
        server.asked.clear()
        server.answer = lambda _: answer
        invoked = invoker.invoke(Call.of(Target("images", None), mode, b"{}"))
        assert len(server.asked) == 1
        return invoked

    return invoke


@pytest.mark.parametrize(("kind", "status", "code"), TABLE, ids=[code for _, _, code in TABLE])
def test_each_error_means_one_thing_and_is_met_once(invoke, kind, status, code):
    result = invoke(failure(int(status), code)).result
    if kind == "unknown":
        assert isinstance(result, Unknown)
    else:
        assert isinstance(result, Rejected)
        assert result.kind == kind
    assert f"{status} {code} said by Lambda" in result.reason


def test_the_table_has_each_error_that_the_model_of_boto3_knows():
    model = botocore.session.get_session().get_service_model("lambda").operation_model("Invoke")
    known = {shape.name: str(shape.metadata["error"]["httpStatusCode"]) for shape in model.error_shapes}
    listed = {code: status for _, status, code in TABLE}
    assert {code: listed.get(code) for code in known} == known


@pytest.mark.parametrize(
    "answer",
    [
        response(500, b"<html>proxy</html>"),
        response(502, b"<html>Bad Gateway</html>"),
        response(503),
        response(504),
        response(403),
        response(429, b"not of Lambda"),
        response(200, {"hello": "world"}),
        response(204, b""),
    ],
)
def test_an_answer_that_is_not_of_lambda_is_unknown(invoke, answer):
    assert isinstance(invoke(answer).result, Unknown)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(invoke, status):
    result = invoke(response(status, b"", location="https://elsewhere.example.com/")).result
    assert (result.kind, "endpoint_url" in result.reason) == ("permanent", True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "0.5"}, 0.5),
        ({"Retry_After": "999999"}, 3600),
        ({"Retry_After": "-1"}, None),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_passed_on(invoke, headers, seconds):
    result = invoke(failure(429, "TooManyRequestsException", **headers)).result
    assert result.retry_after == (None if seconds is None else timedelta(seconds=seconds))


def test_a_head_that_came_counts_though_its_body_did_not(invoke):
    cut = QUEUED.replace(b"content-length: 0", b"content-length: 100")
    assert isinstance(invoke(cut).result, Accepted)


def test_the_answer_to_a_short_step_is_not_its_result(invoke):
    head = {"x_amzn_RequestId": "r", "X_Amz_Executed_Version": "7"}
    invoked = invoke(response(200, {"any": "thing"}, **head), "RequestResponse")
    assert invoked.result == Accepted({"v": 1, "request_id": "r", "version": "7"})
    assert invoked.ending is None


FAILURES = [
    ({"errorType": "ValueError", "errorMessage": "no"}, "FUNCTION_ERROR", "ValueError no"),
    ({"errorMessage": "2026-01-01 r Task timed out after 3.00 seconds"}, "TIMEOUT", "Task timed out"),
    ({"errorType": "Sandbox.Timedout", "errorMessage": "Error: Task"}, "TIMEOUT", "Error: Task"),
    ({"errorType": "Runtime.OutOfMemory"}, "OUT_OF_MEMORY", "Runtime.OutOfMemory"),
    (
        {
            "errorType": "Runtime.ExitError",
            "errorMessage": "Error: Runtime exited with error: signal: killed",
        },
        "OUT_OF_MEMORY",
        "signal: killed",
    ),
    ({"errorType": "Runtime.ExitError", "errorMessage": "exit status 3"}, "FUNCTION_ERROR", "exit status 3"),
    ([1], "FUNCTION_ERROR", "the function failed"),
    (b"\xff", "FUNCTION_ERROR", "the function failed"),
]


@pytest.mark.parametrize(("body", "code", "detail"), FAILURES)
def test_a_function_that_failed_was_launched_and_its_end_is_known(invoke, body, code, detail):
    head = {"X_Amz_Function_Error": "Unhandled", "X_Amz_Log_Result": "RU5EIG9mIGxvZw=="}
    invoked = invoke(response(200, body, **head), "RequestResponse")
    assert isinstance(invoked.result, Accepted)
    assert (invoked.ending.code, invoked.ending.log_tail) == (code, "END of log")
    assert detail in invoked.ending.detail


def test_a_log_that_cannot_be_read_is_none(invoke):
    head = {"X_Amz_Function_Error": "Unhandled", "X_Amz_Log_Result": "***"}
    assert invoke(response(200, **head), "RequestResponse").ending.log_tail is None


CALLS = [
    (Call.of(Target("images", None), "Event", b"{}"), {"FunctionName": "images", "InvocationType": "Event"}),
    (
        Call.of(Target("images", "live"), "RequestResponse", b"{}"),
        {
            "FunctionName": "images",
            "Qualifier": "live",
            "InvocationType": "RequestResponse",
            "LogType": "Tail",
        },
    ),
    (
        Call.of(Target("images", "$LATEST"), "Event", b"{}", "pgf-1-1"),
        {
            "FunctionName": "images",
            "Qualifier": "$LATEST",
            "InvocationType": "Event",
            "DurableExecutionName": "pgf-1-1",
        },
    ),
]


@pytest.mark.parametrize(("call", "expected"), CALLS)
def test_the_model_of_boto3_takes_each_request(call, expected):
    """The stub checks the parameters against the model, and that it is called once."""
    client = boto3.client("lambda", region_name="eu-west-3")
    with Stubber(client) as stub:
        stub.add_response(
            "invoke", {"StatusCode": 202 if call.mode == "Event" else 200}, {**expected, "Payload": b"{}"}
        )
        client.invoke(**call.arguments, Payload=call.payload)
        stub.assert_no_pending_responses()


def test_parameters_that_boto3_refuses_are_for_good():
    with pytest.raises(ParamValidationError) as refused:
        boto3.client("lambda", region_name="eu-west-3").invoke(FunctionName=7)
    assert judge(refused.value).kind == "permanent"
