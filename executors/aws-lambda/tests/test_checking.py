"""What is said of a function that would run tasks more often, or later, than it should."""

from __future__ import annotations

import logging

import pytest
from moto import mock_aws
from pgflow.executor import Accepted
from pgflow_testing.answering import response
from pgflow_testing.executor_suite import make_attempt

from .support import GOOD_CONFIG, deployed, failure, settled

UNCONFIGURED = failure(404, "ResourceNotFoundException", "The function has no EventInvokeConfig")
ROLE = "arn:aws:iam::123456789012:role/dispatcher"


def refused_by_sts(status, code, message):
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return response(status, f"<ErrorResponse>{error}</ErrorResponse>".encode(), content_type="text/xml")


async def test_a_function_as_it_should_be_gives_nothing_to_say(server, started, caplog):
    server.answer = lambda _: response(204, b"")
    async with started(qualifier="live") as executor:
        assert await executor.check() == []
    (asked,) = server.asked
    assert asked.headers["x-amz-invocation-type"] == "DryRun"
    assert asked.line.split()[1] == "/2015-03-31/functions/images/invocations?Qualifier=live"
    assert "/functions/images/event-invoke-config?Qualifier=live" in server.read[-1].line
    assert not [record for record in caplog.records if record.name == "lambda"]


MENDS = "aws lambda put-function-event-invoke-config --function-name images --qualifier live"


@pytest.mark.parametrize("config", [UNCONFIGURED, response(200, {"FunctionArn": "arn"})])
async def test_what_lambda_does_by_itself_is_told_with_the_mend(server, started, config):
    server.answer, server.event_config = lambda _: response(204, b""), config
    async with started(qualifier="live") as executor:
        (retries,) = await executor.check()
        # What `check` says is not said again.
        (age,) = await executor.check_steps([deployed(executor, launch=300), deployed(executor, launch=900)])
    assert {retries.subject, age.subject} == {"images"}
    assert {retries.severity, age.severity} == {"warning"}
    assert "an event that failed 2 more times" in retries.finding
    assert retries.mend == f"{MENDS} --maximum-retry-attempts 0"
    assert "for 21600 s, and a launch has 300 s" in age.finding
    assert age.mend == f"{MENDS} --maximum-event-age-in-seconds 300"


async def test_each_function_that_steps_name_is_asked_once(server, started):
    def answer(asked):
        if "/other/" in asked.line:
            return failure(404, "ResourceNotFoundException", "Function not found: other")
        return response(204, b"")

    server.answer = answer
    async with started() as executor:
        assert await executor.check_steps([]) == []
        server.asked.clear()
        options = [{}, {"function": "other"}, {"function": "other"}, {"qualifier": "7"}]
        (found,) = await executor.check_steps([deployed(executor, **each) for each in options])
    assert (found.subject, found.severity) == ("other", "error")
    assert "404 ResourceNotFoundException Function not found: other" in found.finding
    asked = sorted(asked.line.split()[1].partition("functions/")[2] for asked in server.asked)
    # Once more for `check`, whose findings are left out.
    assert asked == ["images/invocations"] * 2 + ["images/invocations?Qualifier=7", "other/invocations"]


async def test_events_are_looked_at_where_steps_send_them(server, started):
    server.answer, server.event_config = lambda _: response(204, b""), UNCONFIGURED
    async with started(mode="RequestResponse") as executor:
        assert await executor.check_steps([deployed(executor)]) == []
        retries, age = await executor.check_steps([deployed(executor, mode="Event", launch=30)])
    assert "2 more times" in retries.finding
    assert age.mend.endswith("--maximum-event-age-in-seconds 60")


async def test_what_a_step_asks_of_lambda_in_vain_is_said(server, started):
    server.answer = lambda _: response(204, b"")
    async with started(function=None) as executor:
        nameless, long = await executor.check_steps(
            [deployed(executor), deployed(executor, function="images", timeout=899)]
        )
        assert await executor.check_steps([deployed(executor, function="images", timeout=898)]) == []
    assert (nameless.subject, nameless.severity) == ("thumbnails.resize", "error")
    assert "names no function" in nameless.finding
    assert (long.subject, long.severity) == ("thumbnails.resize", "warning")
    assert "its timeout is 899 s, and a function has 898 s" in long.finding


REFUSALS = [
    (failure(404, "ResourceNotFoundException", "Function not found"), "Function not found"),
    (failure(403, "AccessDeniedException", "not authorized to perform"), "not authorized"),
    (failure(500, "ServiceException"), "500 ServiceException"),
]


@pytest.mark.parametrize(("answer", "said"), REFUSALS)
async def test_a_function_that_cannot_be_invoked_is_an_error(server, started, answer, said):
    server.answer = lambda _: answer
    async with started() as executor:
        (found,) = await executor.check()
    assert (found.severity, said in found.finding) == ("error", True)


async def test_missing_credentials_are_an_error(server, started, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    async with started() as executor:
        (found,) = await executor.check()
    assert (found.severity, "NoCredentialsError" in found.finding) == ("error", True)
    assert not server.asked


async def test_a_configuration_that_may_not_be_read_is_a_warning(server, started):
    server.answer = lambda _: response(204, b"")
    server.event_config = failure(403, "AccessDeniedException", "not authorized")
    async with started() as executor:
        (found,) = await executor.check()
    assert found.severity == "warning"
    assert "lambda:GetFunctionEventInvokeConfig" in found.mend


async def test_nothing_is_asked_of_events_where_there_are_none(server, started):
    server.answer, server.event_config = lambda _: response(204, b""), UNCONFIGURED
    async with started(mode="RequestResponse") as executor:
        assert await executor.check() == []
    assert not server.read
    async with started(function=None) as executor:
        assert await executor.check() == []


async def test_the_log_warns_once_of_each_function_that_events_go_to(server, started, caplog):
    caplog.set_level(logging.INFO, logger="lambda")
    server.event_config = UNCONFIGURED
    told = lambda: [record.getMessage() for record in caplog.records if record.name == "lambda"]  # noqa: E731
    async with started() as executor:
        await settled(lambda: len(told()) == 2)
        for function in ("images", "other", "other"):
            await executor.launch(make_attempt(executor.StepOptions(function=function)))
        await executor.launch(make_attempt(executor.StepOptions(function="sync", mode="RequestResponse")))
        await settled(lambda: len(told()) == 4)
    assert sum(line.startswith("function other: Lambda runs an event that failed") for line in told()) == 1
    # Its attempt had a minute left to start.
    assert any("function other" in line and "--maximum-event-age-in-seconds 60" in line for line in told())
    assert not any("function sync" in line for line in told())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (failure(403, "AccessDeniedException", "not authorized"), "403 AccessDeniedException"),
        (failure(404, "ResourceNotFoundException", "Function not found: images"), "404 ResourceNotFound"),
    ],
)
async def test_what_cannot_be_examined_harms_nobody(server, started, caplog, answer, said):
    caplog.set_level(logging.INFO, logger="lambda")
    server.event_config = answer
    async with started() as executor:
        await settled(lambda: f"images: not examined: {said}" in caplog.text)
        assert isinstance(await executor.launch(make_attempt(executor.StepOptions())), Accepted)


async def test_the_event_age_of_a_short_launch_may_be_as_short_as_lambda_lets_it(server, started):
    server.answer, server.event_config = lambda _: response(204, b""), GOOD_CONFIG
    async with started() as executor:
        assert await executor.check() == []


@pytest.mark.slow
async def test_a_role_is_assumed_and_its_credentials_sign(server, started):
    given = {"role_arn": ROLE, "role_external_id": "agreed"}
    with mock_aws():
        async with started(**given) as executor:
            assert isinstance(await executor.launch(make_attempt(executor.StepOptions())), Accepted)
    authorization = server.asked[0].headers["authorization"]
    assert "Credential=ASIA" in authorization
    assert "x-amz-security-token" in authorization


async def test_a_role_that_cannot_be_assumed_is_for_the_operator(server, started, monkeypatch):
    server.answer = lambda _: refused_by_sts(403, "AccessDenied", "not authorized to assume")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    async with started(role_arn=ROLE) as executor:
        result = await executor.launch(make_attempt(executor.StepOptions()))
    assert (result.kind, "AssumeRole: 403 AccessDenied not authorized" in result.reason) == ("operator", True)
    assert all("Action=AssumeRole" in asked.body.decode() for asked in server.asked)


async def test_a_throttled_assumption_of_a_role_was_no_launch(server, started, monkeypatch):
    server.answer = lambda _: refused_by_sts(400, "Throttling", "Rate exceeded")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    async with started(role_arn=ROLE, mode="RequestResponse") as executor:
        result = await executor.launch(make_attempt(executor.StepOptions()))
    assert result.kind == "throttled"
    assert len(server.asked) == 1
