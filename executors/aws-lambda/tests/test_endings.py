"""Hints of functions that ended badly: from the queue of failures, and from answers that were waited for."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws
from pgflow.envelope import Envelope
from pgflow.executor import Accepted, HandleRef, Phase
from pgflow_lambda import endings, failures
from pgflow_lambda.endings import external_id_of
from pgflow_lambda.failures import failure_in
from pgflow_testing.answering import response
from pgflow_testing.executor_suite import make_attempt

from .support import REPORT_TO, settled

ATTEMPT = replace(make_attempt(None), external_id="pgf-9ba5a0d8a4c4ee8c8fcb5cfd24-1")
ENVELOPE = json.loads(Envelope.of(ATTEMPT, REPORT_TO, inline_input=False).to_json())
REF = HandleRef(ATTEMPT.run_id, "resize", 0, 1, external_id_of(ENVELOPE))


def record(**parts):
    """What Lambda sends to an on-failure destination."""
    context = {"requestId": "r", "condition": "RetriesExhausted", "approximateInvokeCount": 1}
    whole = {"version": "1.0", "requestContext": context, "requestPayload": ENVELOPE, **parts}
    return json.dumps(whole)


CRASH = {"errorType": "Runtime.ExitError", "errorMessage": "RequestId: r Error: exit status 3"}


@pytest.fixture
def queue(monkeypatch):
    """A queue as moto emulates it."""
    monkeypatch.setattr(failures, "_WAIT", 1)
    with mock_aws():
        client = boto3.client("sqs", region_name="eu-west-3")
        client.url = client.create_queue(QueueName="failed")["QueueUrl"]
        yield client


def test_an_attempt_has_the_name_that_the_engine_gives_it(pgflow_connection):
    for task in (("00000000-0000-0000-0000-000000000001", "resize", 0, 1), (str(ATTEMPT.run_id), "ä", 7, 12)):
        query = "select pgflow._external_id(%s::uuid, %s::text, %s::int, %s::int) as name"
        name = pgflow_connection.execute(query, task).fetchone()["name"]
        envelope = dict(zip(("run_id", "step_slug", "task_index", "attempt"), task, strict=True))
        assert external_id_of(envelope) == name


async def test_a_message_of_the_queue_has_its_attempt_looked_at(queue, started):
    queue.send_message(QueueUrl=queue.url, MessageBody=record(responsePayload=CRASH))
    rung = []
    async with started(on_failure_queue=queue.url, rung=rung.append) as executor:
        await settled(lambda: rung)
        assert rung == [REF.external_id]
        other = replace(REF, external_id="pgf-other-1")
        seen, unheard = await executor.observe([REF, other])
    assert (seen.phase, seen.code, seen.started) == (Phase.EXITED_ERROR, "FUNCTION_ERROR", None)
    assert "exit status 3" in seen.detail
    assert unheard.phase is Phase.UNKNOWN
    assert not queue.receive_message(QueueUrl=queue.url).get("Messages")


@pytest.mark.slow
async def test_what_is_no_record_is_deleted_and_the_next_one_read(queue, started, caplog):
    for body in ("no json", "[]", "{}", record(requestPayload={"hello": "world"})):
        queue.send_message(QueueUrl=queue.url, MessageBody=body)
    queue.send_message(QueueUrl=queue.url, MessageBody=record(responsePayload=CRASH))
    rung = []
    async with started(on_failure_queue=queue.url, rung=rung.append):
        await settled(lambda: rung)
    assert caplog.text.count("tells of no attempt") == 4


@pytest.mark.slow
async def test_a_queue_that_cannot_be_read_is_said_and_asked_again(queue, started, caplog, monkeypatch):
    monkeypatch.setattr(failures, "_PAUSE", 0.05)
    rung = []
    url = queue.url.replace("/failed", "/later")
    async with started(on_failure_queue=url, rung=rung.append) as executor:
        await settled(lambda: "the on-failure queue could not be read" in caplog.text)
        queue.create_queue(QueueName="later")
        queue.send_message(QueueUrl=url, MessageBody=record(responsePayload=CRASH))
        await settled(lambda: rung)
        assert (await executor.observe([REF]))[0].phase is Phase.EXITED_ERROR
    assert REF.external_id not in caplog.text


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"responsePayload": {"errorMessage": "r Task timed out after 3.00 seconds"}}, "TIMEOUT"),
        ({"requestContext": {"condition": "EventAgeExceeded"}}, "EVENT_DROPPED"),
        ({"requestContext": None}, "EVENT_DROPPED"),
        ({"responsePayload": None}, "FUNCTION_ERROR"),
    ],
)
def test_a_record_says_how_it_ended(parts, code):
    external_id, ending = failure_in(record(**parts))
    assert (external_id, ending.code) == (REF.external_id, code)


async def test_a_failed_answer_rings_until_the_core_believes_it_then_is_forgotten(
    server, started, monkeypatch
):
    monkeypatch.setattr(endings, "_LOOKS", (0.01,) * 4)
    head = {"X_Amz_Function_Error": "Unhandled", "X_Amz_Log_Result": "RU5E"}
    server.answer = lambda _: response(200, CRASH, **head)
    rung = []
    async with started(mode="RequestResponse", rung=rung.append) as executor:
        attempt = replace(ATTEMPT, options=executor.StepOptions())
        assert isinstance(await executor.launch(attempt), Accepted)
        await settled(lambda: len(rung) >= 4)
        ref = replace(REF, external_id=ATTEMPT.external_id)
        known = executor._running.endings
        await settled(lambda: known.observation(ref).phase is Phase.UNKNOWN)
    assert rung == [ATTEMPT.external_id] * 4


@pytest.mark.slow
async def test_the_doctor_leaves_the_queue_to_dispatchers(queue, server, started):
    server.answer = lambda _: response(204, b"")
    queue.send_message(QueueUrl=queue.url, MessageBody=record(responsePayload=CRASH))
    async with started(on_failure_queue=queue.url) as executor:
        assert await executor.check() == []
    assert queue.receive_message(QueueUrl=queue.url)["Messages"]


async def test_only_so_much_is_kept(monkeypatch):
    monkeypatch.setattr(endings, "_KEPT", 3)
    known = endings.Endings(lambda _: None)
    for number in range(5):
        known.note(f"pgf-{number}", endings.Ending("FUNCTION_ERROR", "x"))
    seen = [known.observation(replace(REF, external_id=f"pgf-{number}")).phase for number in range(5)]
    assert [phase is Phase.EXITED_ERROR for phase in seen] == [False, False, True, True, True]
    await known.close()


@pytest.mark.slow
async def test_the_queue_is_read_within_its_log_only(queue, started, caplog):
    queue.send_message(QueueUrl=queue.url, MessageBody=record(responsePayload=CRASH))
    caplog.set_level(logging.DEBUG)  # not before: this client of the test writes down what it sends
    rung = []
    async with started(on_failure_queue=queue.url, rung=rung.append):
        await settled(lambda: rung)
    assert ENVELOPE["attempt_token"] not in caplog.text
