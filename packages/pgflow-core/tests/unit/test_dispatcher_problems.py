"""What an operator is told, and how often."""

import json
import logging

import pytest
from pgflow.dispatcher import JsonFormatter
from pgflow.dispatcher.problems import Problems


@pytest.fixture
def problems():
    return Problems(logging.getLogger("pgflow.dispatcher"))


def test_each_kind_and_subject_is_logged_once_a_minute(problems, caplog, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for _ in range(5):
        problems.note("HANDLER_MISSING", "flow.step", "no module", {"run_id": "r"})
    problems.note("HANDLER_MISSING", "flow.other", "no module")
    assert [record.args[1] for record in caplog.records] == ["flow.step", "flow.other"]
    now[0] += 61
    problems.note("HANDLER_MISSING", "flow.step", "still no module")
    assert caplog.records[-1].getMessage().endswith("still no module (seen 6 times)")


def test_last_message_and_count_are_kept(problems):
    problems.note("A", "x", "first")
    problems.note("A", "x", "second")
    (problem,) = problems
    assert (problem.kind, problem.message, problem.count) == ("A", "second", 2)
    assert problem.first_seen_at <= problem.last_seen_at


def test_only_the_latest_hundred_are_kept(problems, caplog):
    for number in range(150):
        problems.note("A", str(number), "")
    assert [problem.subject for problem in problems] == [str(number) for number in range(50, 150)]


def test_mended_problem_is_forgotten(problems):
    problems.note("A", "x", "")
    problems.clear("A", "x")
    assert list(problems) == []


def test_log_line_is_json_with_the_extra_fields():
    record = logging.makeLogRecord(
        {
            "name": "pgflow",
            "levelname": "INFO",
            "msg": "seen %s",
            "args": ("it",),
            "run_id": "r",
            "attempt": 2,
        }
    )
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["message"], line["run_id"], line["attempt"]) == ("info", "seen it", "r", 2)
    assert line["time"].endswith("+00:00")


def test_log_line_carries_the_exception():
    try:
        raise ValueError("why")
    except ValueError as error:
        record = logging.makeLogRecord(
            {"msg": "failed", "exc_info": (ValueError, error, error.__traceback__)}
        )
    assert "ValueError: why" in json.loads(JsonFormatter().format(record))["exception"]
