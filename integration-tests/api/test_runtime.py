"""The task runtime against the real API and a real database: one attempt from its envelope to its report."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from queue import SimpleQueue

import pytest
from pgflow.envelope import ReportTarget
from pgflow.runtime import Event


def test_an_attempt_is_run_and_reported(remote):
    envelope = remote.launched("double", {"n": 21})
    assert remote.run(envelope).kind == "completed"
    assert remote.task(envelope).output == 42


def test_the_input_may_come_along(remote):
    envelope = replace(remote.launched("echo", {"n": 1}), input='{"run":{"digits":1.10}}')
    assert remote.run(envelope).kind == "completed"
    assert remote.task(envelope).output == {"digits": 1.1}


def test_the_database_itself_takes_the_report(remote, pgflow_database):
    envelope = replace(remote.launched("double", {"n": 2}), report=ReportTarget("postgres"))
    outcome = remote.run(envelope, dsn=pgflow_database)
    assert (outcome.kind, remote.task(envelope).output) == ("completed", 4)
    assert remote.run(envelope, dsn=pgflow_database).kind == "stopped"


def test_a_handler_knows_its_task(remote):
    envelope = remote.launched("context", timeout=50)
    process = remote.process(envelope, PGFLOW_INSTANCE="pod-1")
    assert process.wait(60) == 0, process.communicate()
    said = remote.task(envelope).output
    assert said["run_id"] == str(envelope.run_id)
    assert said["names"] == [envelope.flow_slug, "work", 0, 1]
    assert (said["attempt"], said["key"]) == (1, f"{envelope.run_id}/work/0")
    assert 0 < said["left"] <= 50
    assert said["environment"] == {"PGFLOW_INSTANCE": "pod-1"}  # neither envelope nor token
    row = remote.connection.execute("select instance_id from pgflow.run_steps").fetchone()
    assert row["instance_id"] == "pod-1"


def test_a_failure_is_told_with_its_output_and_without_the_token(remote):
    envelope = remote.launched("fail", {"message": "m"}, max_attempts=1)
    token = str(envelope.attempt_token)
    envelope = replace(envelope, input=json.dumps({"run": {"message": f"denied for {token}"}}))
    process = remote.process(envelope)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert token not in out + errors
    error = remote.task(envelope).error
    assert (error["code"], error["type"]) == ("HANDLER_ERROR", "OSError")
    assert error["message"] == "denied for [redacted]"
    assert "remote_deeds.py" in error["traceback"]
    assert token not in json.dumps(error)
    (attempt,) = remote.attempts(envelope)
    assert "a line of output\n" in attempt["log_tail"]
    assert "a record of the log" in attempt["log_tail"]
    assert "a line of output\n" in out  # what a platform collects is still there


def test_progress_is_shown_while_the_handler_runs(remote):
    seen = remote.folder / "seen"
    envelope = remote.launched("advance", {"seen": str(seen)})
    process = remote.process(envelope)
    query = "select progress from pgflow.task_progress"
    row = remote.until(lambda: remote.connection.execute(query).fetchone())
    assert row["progress"] == {"done": 3, "total": 10, "message": "pages"}
    seen.touch()
    assert process.wait(60) == 0
    assert remote.task(envelope).output == "seen"


def test_a_handler_that_computes_stays_alive(remote):
    go = remote.folder / "go"
    envelope = remote.launched("compute", {"go": str(go)}, heartbeat_timeout=9, max_attempts=1)
    process = remote.process(envelope)
    leases = set()

    def was_renewed() -> bool:
        query = "select lease_expires_at from pgflow.step_tasks where status = 'running'"
        leases.update(row["lease_expires_at"] for row in remote.connection.execute(query))
        return len(leases) > 1

    remote.until(was_renewed)
    go.touch()
    assert process.wait(60) == 0
    assert remote.task(envelope).output == "computed"


@pytest.mark.parametrize(("handler", "noted"), [("listen", "TaskCancelled"), ("sleep", "cancelled")])
def test_a_cancelled_attempt_stops(remote, handler, noted):
    envelope = remote.launched(handler, heartbeat_timeout=6)
    process = remote.process(envelope)
    remote.until(remote.noted)
    remote.connection.execute("select pgflow.cancel_run(%s)", [envelope.run_id])
    assert process.wait(60) == 0
    assert "stopped: the run was cancelled" in process.communicate()[1]
    assert remote.noted() == ["began", noted]


def test_a_handler_that_does_not_listen_is_left_when_its_time_is_up(remote):
    envelope = remote.launched("hang", timeout=1.5, max_attempts=2)
    process = remote.process(envelope)
    assert process.wait(60) == 0
    (attempt,) = remote.attempts(envelope)
    assert attempt["outcome"] == "timed_out"
    assert attempt["error"]["code"] == "TIMEOUT"
    assert (remote.task(envelope).status, remote.task(envelope).failures) == ("queued", 1)


def test_a_platform_that_gives_less_than_the_timeout_is_believed(remote):
    envelope = remote.launched("sleep", timeout=600, max_attempts=2)
    outcome = remote.run(envelope, remaining=lambda: 3.0)
    assert (outcome.kind, outcome.is_running) == ("failed", False)
    (attempt,) = remote.attempts(envelope)
    assert (attempt["outcome"], attempt["error"]["code"]) == ("timed_out", "TIMEOUT")
    assert "the platform ends this process" in attempt["error"]["message"]
    assert remote.noted() == ["began", "cancelled"]
    assert remote.task(envelope).status == "queued"


@pytest.mark.parametrize("handler", ["hang", "sleep"])
def test_sigterm_hands_the_attempt_back(remote, handler):
    envelope = remote.launched(handler)
    process = remote.process(envelope)
    remote.until(remote.noted)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, process.communicate()
    (attempt,) = remote.attempts(envelope)
    assert (attempt["outcome"], attempt["error"]["code"]) == ("released", "SHUTDOWN")
    assert (remote.task(envelope).status, remote.task(envelope).failures) == ("queued", 0)
    again = remote.claimed()
    assert (again.run_id, again.attempt) == (envelope.run_id, 2)


def test_an_order_to_stop_before_the_handler_starts_hands_back(remote):
    envelope = remote.launched("double", {"n": 1})
    inbox: SimpleQueue[Event] = SimpleQueue()
    inbox.put(Event.STOP)
    assert remote.run(envelope, inbox=inbox).kind == "released"
    assert remote.noted() == []
    assert remote.task(envelope).status == "queued"


def test_of_two_deliveries_exactly_one_runs(remote):
    envelope = remote.launched("double", {"n": 4})
    processes = [remote.process(envelope) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(remote.noted()) == 1
    assert remote.task(envelope).output == 8
    said = sorted(process.communicate()[1] for process in processes)
    assert said[0].startswith("completed: ")
    assert said[1].startswith("stopped: ")


def test_an_envelope_of_an_earlier_attempt_runs_nothing(remote):
    old = remote.launched("double", {"n": 5})
    remote.connection.execute(
        "select pgflow.fail_step_task(%s, 'work', 0, %s, '{\"message\": \"m\"}')",
        [old.run_id, old.attempt_token],
    )
    new = remote.claimed()
    assert (new.run_id, new.attempt) == (old.run_id, 2)
    assert remote.run(old).kind == "stopped"
    assert remote.noted() == []
    assert remote.run(new).kind == "completed"
    assert remote.run(old).kind == "stopped"
    assert len(remote.noted()) == 1


def test_a_missing_handler_hands_back_with_a_delay(remote):
    envelope = remote.launched("nothing")
    assert remote.run(envelope).kind == "released"
    (attempt,) = remote.attempts(envelope)
    assert (attempt["outcome"], attempt["error"]["code"]) == ("released", "HANDLER_MISSING")
    assert remote.task(envelope).failures == 0


def test_only_what_the_operator_allows_runs(remote):
    """Without PGFLOW_HANDLERS: what lies in the current folder."""
    envelope = replace(remote.launched("double", {"n": 1}), handler="os:getpid")
    process = remote.process(envelope)
    assert process.wait(60) == 0
    (attempt,) = remote.attempts(envelope)
    assert attempt["error"]["code"] == "HANDLER_MISSING"
    assert "PGFLOW_HANDLERS" in attempt["error"]["message"]


def test_a_result_that_is_too_large_fails_once(serve, remote):
    small = serve(max_body=4096)
    envelope = remote.launched("large", {"n": 10_000})
    envelope = replace(envelope, report=ReportTarget("http", f"http://127.0.0.1:{small.port}"))
    assert remote.run(envelope).kind == "failed"
    task = remote.task(envelope)
    assert (task.status, task.error["code"], task.attempt) == ("failed", "OUTPUT_TOO_LARGE", 1)
