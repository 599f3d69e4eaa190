"""The task runtime through a real PostgREST: the same verbs as remote procedures."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from pgflow.envelope import ReportTarget
from pgflow_testing.postgrest import token_for


def target(postgrest, role):
    return ReportTarget("postgrest", postgrest.url, token_for(role))


def test_a_worker_runs_its_task(remote, postgrest):
    envelope = replace(remote.launched("double", {"n": 21}), report=target(postgrest, "pgflow_worker"))
    assert remote.run(envelope).kind == "completed"
    assert remote.task(envelope).output == 42
    assert remote.run(envelope).kind == "stopped"


def test_a_failure_and_a_release_are_told(remote, postgrest, pgflow_connection):
    failing = replace(remote.launched("fail", {"message": "m"}), report=target(postgrest, "pgflow_worker"))
    assert remote.run(failing).kind == "failed"
    assert remote.task(failing).failures == 1
    missing = replace(remote.claimed(), handler="remote_deeds:nothing", report=failing.report)
    assert remote.run(missing).kind == "released"
    assert [attempt["outcome"] for attempt in remote.attempts(failing)] == ["failed", "released"]


@pytest.mark.slow
def test_a_cancelled_run_is_noticed(remote, postgrest):
    envelope = remote.launched("sleep", heartbeat_timeout=1)
    process = remote.process(replace(envelope, report=target(postgrest, "pgflow_worker")))
    remote.until(remote.noted)
    remote.connection.execute("select pgflow.cancel_run(%s)", [envelope.run_id])
    assert process.wait(60) == 0
    assert remote.noted() == ["began", "cancelled"]


def test_another_instance_and_an_old_token_are_stopped(remote, postgrest):
    envelope = replace(remote.launched("double", {"n": 1}), report=target(postgrest, "pgflow_worker"))
    remote.connection.execute(
        "select pgflow.start_step_task(%s, 'work', 0, %s, 'other')", [envelope.run_id, envelope.attempt_token]
    )
    assert remote.run(envelope).kind == "stopped"
    assert remote.run(replace(envelope, attempt_token=uuid.uuid4())).kind == "stopped"
    assert remote.run(replace(envelope, run_id=uuid.uuid4())).kind == "stopped"
    assert remote.noted() == []


@pytest.mark.slow
@pytest.mark.parametrize("role", ["pgflow_viewer", None])
def test_without_the_rights_of_a_worker_nothing_runs(remote, postgrest, role):
    envelope = remote.launched("double", {"n": 1})
    report = target(postgrest, role) if role else ReportTarget("postgrest", postgrest.url)
    outcome = remote.run(replace(envelope, report=report))
    assert (outcome.kind, remote.noted()) == ("undelivered", [])
    assert "pgflow_worker" in outcome.reason
    assert remote.task(envelope).status == "claimed"
