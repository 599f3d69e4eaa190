"""Launches that wait for the result: what comes with the answer is reported by the dispatcher."""

from __future__ import annotations

import json

import pytest
from pgflow.errors import DefinitionError
from pgflow.executor import Accepted, Rejected, Unknown
from pgflow_supabase import Edge
from pgflow_testing.answering import response
from pgflow_testing.executor_suite import make_attempt

from .support import TOKEN, accept

SYNC = {"function": "images", "mode": "sync"}


def answering(report, **more):
    """Answer as a function does that was waited for; `report` is JSON text."""

    def answer(asked):
        accepted = json.dumps({"accepted": asked.headers["x-pgflow-attempt"], "instance": "i", **more})
        return response(200, f'{accepted[:-1]},"report":{report}}}'.encode())

    return answer


async def test_a_result_in_the_answer_is_reported_as_the_text_it_is(server, launch):
    server.answer = answering('{"outcome": "complete", "output": {"n": 12345678901234567890.10}}')
    reports = []
    assert await launch(options=SYNC, report=reports.append) == Accepted({"v": 1, "instance": "i"})
    assert server.asked[0].headers["prefer"] == "wait=20"
    (report,) = reports
    attempt = make_attempt(None)
    assert (report.run_id, report.step_slug, report.task_index) == (attempt.run_id, "resize", 0)
    assert (report.attempt_token, report.outcome) == (TOKEN, "complete")
    assert report.output == '{"n": 12345678901234567890.10}'


async def test_a_failure_in_the_answer_is_reported_with_what_is_to_follow(server, launch):
    error = {"code": "RETRY_AFTER", "message": "busy"}
    failed = {"outcome": "fail", "error": error, "retryable": True, "retry_after_seconds": 7}
    server.answer = answering(json.dumps(failed))
    reports = []
    await launch(options=SYNC, report=reports.append)
    server.answer = answering(json.dumps({"outcome": "fail", "error": error, "retryable": False}))
    await launch(options=SYNC, report=reports.append)
    server.answer = answering(json.dumps({"outcome": "release", "error": error}))
    await launch(options=SYNC, report=reports.append)
    told = [(each.outcome, each.error, each.retryable, each.retry_after_seconds) for each in reports]
    assert told == [("fail", error, True, 7), ("fail", error, False, None), ("release", error, True, None)]


async def test_what_goes_on_in_the_background_reports_for_itself(server, launch):
    server.answer = accept
    reports = []
    assert isinstance(await launch(options=SYNC, report=reports.append), Accepted)
    assert reports == []


async def test_a_result_that_nobody_asked_for_is_none(server, launch):
    server.answer = answering('{"outcome": "complete", "output": 1}')
    reports = []
    assert isinstance(await launch(report=reports.append), Accepted)
    assert "prefer" not in server.asked[0].headers
    assert reports == []


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (answering('{"outcome": "won"}'), Unknown),
        (answering('{"outcome": "fail", "error": "x"}'), Unknown),
        (answering('"complete"'), Unknown),
        (lambda _: b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{", Unknown),
        (lambda _: response(546, {"code": "WORKER_RESOURCE_LIMIT"}), Unknown),
        (lambda _: response(504, {"code": "IDLE_TIMEOUT"}), Unknown),
        (lambda _: response(500, {"code": "WORKER_ERROR"}), Unknown),
        (lambda _: response(200, {"hello": "world"}), Rejected),
    ],
)
async def test_a_result_that_is_lost_is_never_taken_for_a_failure(server, launch, answer, outcome):
    server.answer = answer
    reports = []
    assert isinstance(await launch(options=SYNC, report=reports.append), outcome)
    assert (reports, len(server.asked)) == ([], 1)


async def test_a_large_result_is_read_whole(server, launch):
    output = json.dumps("x" * 1_000_000)
    server.answer = answering(f'{{"outcome": "complete", "output": {output}}}')
    reports = []
    await launch(options=SYNC, report=reports.append)
    assert reports[0].output == output


def test_a_step_asks_for_it(instance):
    assert Edge("images", mode="sync").executor_options() == SYNC
    with pytest.raises(DefinitionError, match="mode"):
        instance().step_options({"function": "images", "mode": "later"})
