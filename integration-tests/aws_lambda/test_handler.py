"""`pgflow.runtime.aws_lambda` under AWS's own runtime client: real processes, real serialisation."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from pgflow.envelope import ReportTarget
from pgflow_testing.aws_lambda import Fault

from .conftest import until


def test_an_event_is_answered_at_once_and_its_task_completes(deeds, lambdas):
    function, envelope = lambdas(), deeds("double")
    assert function.send(envelope.to_json()) == 202
    assert deeds.ended(envelope).output == 42
    assert len(deeds.traces()) == 1


def test_an_invocation_returns_the_outcome_and_the_end_of_its_log(deeds, lambdas):
    answer = lambdas().ask(deeds("double").to_json(), LogType="Tail")
    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer
    assert (answer["Payload"]["v"], answer["Payload"]["kind"]) == (1, "completed")
    assert b"doubling 21" in base64.b64decode(answer["LogResult"])


def test_a_warm_process_runs_one_task_after_the_other(deeds, lambdas):
    function = lambdas(concurrency=1)
    for _ in range(3):
        assert function.ask(deeds("double").to_json())["Payload"]["kind"] == "completed"
    assert len({pid for pid, _ in deeds.traces()}) == 1


def test_an_event_that_is_delivered_twice_runs_once(deeds, lambdas):
    function, envelope = lambdas(concurrency=2), deeds("double")
    function.endpoint.befall(Fault(copies=2))
    function.send(envelope.to_json())
    first, second = until(lambda: len(ended := answered(function)) == 2 and ended)
    assert first.request_id == second.request_id
    assert sorted(json.loads(each.answer.payload)["kind"] for each in (first, second)) == [
        "completed",
        "stopped",
    ]
    assert len(deeds.traces()) == 1
    assert deeds.attempts(envelope) == []


@pytest.mark.slow
def test_the_same_request_is_another_instance_each_time_also_in_one_process(deeds, lambdas):
    function, envelope = lambdas(concurrency=1), deeds("double", max_attempts=1)
    function.endpoint.befall(Fault(copies=2))
    function.send(envelope.to_json())
    kinds = [json.loads(each.answer.payload)["kind"] for each in until(lambda: two(answered(function)))]
    assert kinds == ["completed", "stopped"]


def test_a_failure_is_reported_and_is_none_of_the_function(deeds, lambdas):
    envelope = deeds("refuse")
    answer = lambdas().ask(envelope.to_json(), LogType="Tail")
    assert "FunctionError" not in answer
    assert answer["Payload"]["kind"] == "failed"
    assert deeds.task(envelope).error["code"] == "NON_RETRYABLE"
    (first,) = deeds.attempts(envelope)
    # Lambda's own log handler writes past stdout and stderr: the record comes once, all the same.
    assert first["log_tail"].startswith("printed\n")
    assert first["log_tail"].endswith(" WARNING pgflow.task: logged\n")
    assert first["log_tail"].count("logged") == 1
    assert b"logged" in base64.b64decode(answer["LogResult"])


def test_a_crash_is_an_error_of_the_function_and_the_next_attempt_gets_a_new_process(deeds, lambdas):
    function, envelope = lambdas(), deeds("crash", heartbeat_timeout=30)
    answer = function.ask(envelope.to_json())
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"]["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in answer["Payload"]["errorMessage"]
    again = deeds.next_attempt(envelope)
    assert function.ask(again.to_json())["Payload"]["kind"] == "completed"
    assert [row["outcome"] for row in deeds.attempts(envelope)] == ["lost"]


@pytest.mark.slow
def test_a_handler_that_overstays_is_reported_before_the_platform_kills_it(deeds, lambdas):
    function, envelope = lambdas(timeout=20), deeds("hang", timeout=60)
    answer = function.ask(envelope.to_json())
    # The thread cannot be stopped: its process ends, so that no other task meets it.
    assert answer["FunctionError"] == "Unhandled"
    (first,) = deeds.attempts(envelope)
    assert (first["outcome"], first["error"]["code"]) == ("timed_out", "TIMEOUT")
    assert "the platform ends this process" in first["error"]["message"]
    assert function.ask(deeds.next_attempt(envelope).to_json())["Payload"]["kind"] == "completed"


@pytest.mark.slow
def test_what_nobody_can_stop_is_killed_by_the_platform(deeds, lambdas):
    function, envelope = lambdas(timeout=20), deeds("spin", heartbeat_timeout=60)
    answer = function.ask(envelope.to_json())
    assert answer["Payload"]["errorType"] == "Sandbox.Timedout"
    assert "timed out after 20.00 seconds" in answer["Payload"]["errorMessage"]
    assert function.ask(deeds.next_attempt(envelope).to_json())["Payload"]["kind"] == "completed"


@pytest.mark.slow
def test_what_needs_too_much_memory_is_killed(deeds, lambdas):
    function, envelope = lambdas(memory_mb=256), deeds("hoard", heartbeat_timeout=30)
    answer = function.ask(envelope.to_json())
    assert "signal: killed" in answer["Payload"]["errorMessage"]
    assert function.ask(deeds.next_attempt(envelope).to_json())["Payload"]["kind"] == "completed"


def test_it_reports_straight_to_the_database_if_the_envelope_says_so(deeds, lambdas, pgflow_database):
    function = lambdas(environment={"PGFLOW_DSN": pgflow_database})
    envelope = replace(deeds("look"), report=ReportTarget("postgres"))
    assert function.ask(envelope.to_json())["Payload"]["kind"] == "completed"
    assert deeds.task(envelope).output == []


def test_without_a_dsn_that_is_an_error_of_the_function(deeds, lambdas):
    envelope = replace(deeds("look"), report=ReportTarget("postgres"))
    answer = lambdas().ask(envelope.to_json())
    assert (answer["FunctionError"], answer["Payload"]["errorType"]) == ("Unhandled", "ConfigError")
    assert "PGFLOW_DSN" in answer["Payload"]["errorMessage"]


def test_a_payload_that_is_no_envelope_is_an_error_of_the_function(lambdas):
    answer = lambdas().ask({"v": 2})
    assert answer["Payload"]["errorType"] == "EnvelopeInvalid"
    assert "version 2" in answer["Payload"]["errorMessage"]


@pytest.mark.slow
def test_a_report_that_nobody_takes_is_an_error_of_the_function(deeds, lambdas):
    envelope = replace(deeds("double"), report=ReportTarget("http", "http://127.0.0.1:9/"))
    answer = lambdas(timeout=4).ask(envelope.to_json())
    assert answer["Payload"]["errorType"] == "Undelivered"
    assert deeds.traces() == []


def test_only_what_the_function_was_made_of_may_run(deeds, lambdas):
    envelope = replace(deeds("double"), handler="os:getcwd")
    assert lambdas().ask(envelope.to_json())["Payload"]["kind"] == "released"
    (first,) = deeds.attempts(envelope)
    assert first["error"]["code"] == "HANDLER_MISSING"
    assert "none of the patterns in what lambda_handler was given" in first["error"]["message"]


def answered(function):
    return [each for each in function.endpoint.deliveries("work") if each.answer is not None]


def two(found):
    return found if len(found) == 2 else None
