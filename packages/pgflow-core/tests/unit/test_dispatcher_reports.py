"""Reports as JSON text, and in what portions they go."""

import json
import uuid

import pytest
from pgflow.dispatcher.attempts import LiveTask
from pgflow.dispatcher.reports import MAX_REPORTS, Report, ReportQueue, as_array, encode, refused
from pgflow.errors import BadInput, TooLarge
from pgflow.executor import TaskReport

RUN, TOKEN = uuid.uuid4(), uuid.uuid4()


@pytest.fixture
def task():
    address = f'"run_id":"{RUN}","step_slug":"s","task_index":3,"attempt_token":"{TOKEN}"'
    return LiveTask(RUN, "f", "s", 3, 1, TOKEN, None, "local", address, 0.0, 0.0)


def said(task, outcome, **fields):
    return json.loads(encode(task, TaskReport(RUN, "s", 3, TOKEN, outcome, **fields)).text)


def test_output_goes_through_as_the_text_it_is(task):
    report = encode(task, TaskReport(RUN, "s", 3, TOKEN, "complete", output='{"n": 1.10}'))
    assert '"output":{"n": 1.10}' in report.text
    assert json.loads(report.text) == {
        "run_id": str(RUN),
        "step_slug": "s",
        "task_index": 3,
        "attempt_token": str(TOKEN),
        "outcome": "complete",
        "output": {"n": 1.1},
    }


def test_no_output_is_null(task):
    assert said(task, "complete")["output"] is None


def test_failure_says_what_the_engine_needs(task):
    report = said(
        task, "fail", error={"code": "X"}, retryable=False, retry_after_seconds=2.5, log_tail="tail"
    )
    assert report["error"] == {"code": "X"}
    assert (report["retryable"], report["retry_after_seconds"], report["log_tail"]) == (False, 2.5, "tail")
    assert "retryable" not in said(task, "fail", error={"code": "X"})


def test_text_that_jsonb_refuses_is_replaced(task):
    report = said(task, "fail", error={"message": "a\0b\ud800c"}, log_tail="\0")
    assert report["error"]["message"] == "a\ufffdb?c"
    assert report["log_tail"] == "\ufffd"


@pytest.mark.parametrize(
    ("reason", "code"), [(BadInput("NUL"), "OUTPUT_INVALID"), (TooLarge("300 MB"), "OUTPUT_TOO_LARGE")]
)
def test_refused_report_is_a_failure_for_good(task, reason, code):
    report = refused(task, reason)
    assert report.substitute
    assert json.loads(report.text)["error"]["code"] == code
    assert json.loads(report.text)["retryable"] is False


def test_token_is_in_no_repr(task):
    report = TaskReport(RUN, "s", 3, TOKEN, "complete")
    assert str(TOKEN) not in repr(report)
    assert str(TOKEN) not in repr(task)
    assert str(TOKEN) not in repr(encode(task, report))
    assert str(TOKEN) not in str(task.fields())


def test_queue_gives_one_calls_worth_in_order(task):
    queue = ReportQueue()
    reports = [Report(task, str(number)) for number in range(MAX_REPORTS + 5)]
    for report in reports:
        queue.add(report)
    first = queue.take()
    assert first == reports[:MAX_REPORTS]
    queue.put_back(first)
    assert queue.take() + queue.take() == reports


def test_large_reports_go_in_smaller_portions(task):
    queue = ReportQueue()
    for _ in range(3):
        queue.add(Report(task, "x" * 9_000_000))
    assert [len(queue.take()) for _ in range(4)] == [1, 1, 1, 0]


def test_array(task):
    assert as_array([]) == "[]"
    assert as_array([Report(task, "1"), Report(task, "2")]) == "[1,2]"
