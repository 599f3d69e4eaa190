"""The verbs of an attempt over HTTP: what each answers, and what it leaves in the database."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest


def test_the_first_instance_gets_the_input_and_may_ask_again(api, held):
    (task,) = held()
    answer = api.post("start", task, instance_id="pod-1")
    assert answer.status_code == 200
    assert answer.json()["status"] == "started"
    assert answer.json()["input"] == {"run": {"n": 0}}
    assert answer.json()["lease_expires_at"]
    assert api.post("start", task, instance_id="pod-1").json() == answer.json()


def test_another_instance_is_told_to_stop(api, held):
    (task,) = held()
    api.post("start", task, instance_id="pod-1")
    answer = api.post("start", task, instance_id="pod-2")
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")


def test_a_completion_is_stored_and_a_repeat_changes_nothing(api, held, output):
    (task,) = held(mode="start")
    answer = api.post("complete", task, output={"a": [1, None]})
    assert (answer.status_code, answer.json()) == (200, {"status": "completed"})
    again = api.post("complete", task, output="other")
    assert (again.status_code, again.json()) == (200, {"status": "duplicate"})
    assert output(task) == ("completed", '{"a": [1, null]}', None)


def test_numbers_keep_all_their_digits(api, held, output):
    (task,) = held(mode="start")
    address = f'"run_id": "{task.run_id}", "step_slug": "work"'
    body = f'{{{address}, "output": [1.10, 123456789012345678901.5, 1e300]}} '
    assert api.send("complete", task, body).status_code == 200
    assert output(task)[1] == f"[1.10, 123456789012345678901.5, 1{'0' * 300}]"


def test_a_missing_output_is_null(api, held, output):
    (task,) = held(mode="start")
    assert api.post("complete", task).status_code == 200
    assert output(task) == ("completed", "null", None)


def test_a_failure_is_retried_or_final_as_it_says(api, held, output):
    first, second = held(2, mode="start")
    error = {"message": "disk full", "type": "OSError", "traceback": "..."}
    assert api.post("fail", first, error=error).json() == {"status": "retrying"}
    assert api.post("fail", second, error=error, retryable=False).json() == {"status": "failed"}
    status, _, stored = output(second)
    assert status == "failed"
    assert stored["message"] == "disk full"


def test_retry_after_replaces_the_back_off(api, held, pgflow_connection):
    (task,) = held(mode="start")
    answer = api.post("fail", task, error={"message": "later"}, retry_after_seconds=3600)
    assert answer.json() == {"status": "retrying"}
    row = pgflow_connection.execute(
        "select visible_at > clock_timestamp() + interval '50 minutes' as later from pgflow.step_tasks"
    ).fetchone()
    assert row["later"]


def test_a_log_tail_is_kept(api, held, pgflow_connection):
    (task,) = held(mode="start")
    assert api.post("complete", task, output=1, log_tail="hello\n").status_code == 200
    assert [row["log_tail"] for row in pgflow_connection.execute("select * from pgflow.task_logs")] == [
        "hello\n"
    ]


def test_a_heartbeat_renews_the_lease(api, held):
    (task,) = held(heartbeat_timeout=120)
    started = api.post("start", task, instance_id="pod-1").json()
    answer = api.post("heartbeat", task)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["lease_expires_at"] > started["lease_expires_at"]


def test_a_heartbeat_carries_progress(api, held, pgflow_connection):
    (task,) = held(mode="start")
    said = {"done": 3, "total": 10, "message": "pages"}
    assert api.post("heartbeat", task, progress=said).json()["status"] == "ok"
    (row,) = pgflow_connection.execute("select progress from pgflow.task_progress").fetchall()
    assert row["progress"] == said
    assert api.post("heartbeat", task, progress=None).json()["status"] == "ok"
    assert api.post("heartbeat", task, progress={"done": "most"}).status_code == 422


def test_a_release_hands_back_and_uses_up_no_budget(api, held, output, pgflow_connection):
    now, later = held(2)  # one before its handshake, one after
    api.post("start", later, instance_id="pod-1")
    assert api.post("release", now).json() == {"status": "released"}
    why = {"code": "SHUTDOWN", "message": "SIGTERM"}
    answer = api.post("release", later, error=why, retry_after_seconds=3600, log_tail="bye")
    assert answer.json() == {"status": "released"}
    assert api.post("release", later).json() == {"status": "duplicate"}
    assert api.post("complete", later, output=1).status_code == 409
    assert output(now)[0] == output(later)[0] == "queued"
    rows = pgflow_connection.execute("select failures, attempt from pgflow.step_tasks").fetchall()
    assert [(row["failures"], row["attempt"]) for row in rows] == [(0, 1)] * 2
    claimed = pgflow_connection.execute(
        "select run_id from pgflow.claim_step_tasks('local', 'w', 5)"
    ).fetchall()
    assert [str(row["run_id"]) for row in claimed] == [now.run_id]


def test_a_cancelled_run_is_told_by_the_heartbeat(api, held, pgflow_connection):
    (task,) = held(mode="start")
    pgflow_connection.execute("select pgflow.cancel_run(%s)", [task.run_id])
    assert api.post("heartbeat", task).json()["status"] == "cancel"
    answer = api.post("complete", task, output=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "STALE")


@pytest.mark.parametrize("verb", ["start", "heartbeat", "complete", "fail", "release"])
def test_a_wrong_token_is_stale_and_changes_nothing(api, held, output, verb):
    (task,) = held(mode="start")
    stranger = replace(task, token=str(uuid.uuid4()))
    fields = {"start": {"instance_id": "x"}, "fail": {"error": {"message": "m"}}}.get(verb, {})
    answer = api.post(verb, stranger, **fields)
    assert (answer.status_code, answer.json()["code"]) == (409, "STALE")
    assert output(task)[0] == "running"


def test_an_old_token_is_stale(api, held, pgflow_connection):
    (task,) = held(mode="start")
    api.post("fail", task, error={"message": "m"}, retry_after_seconds=0)
    assert pgflow_connection.execute("select * from pgflow.claim_step_tasks('local', 'w', 1)").fetchall()
    answer = api.post("complete", task, output=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "STALE")


@pytest.mark.parametrize("verb", ["start", "complete", "fail", "release"])
def test_an_unknown_task_is_not_found(api, held, verb):
    (task,) = held(mode="start")
    unknown = replace(task, run_id=str(uuid.uuid4()))
    fields = {"start": {"instance_id": "x"}, "fail": {"error": {"message": "m"}}}.get(verb, {})
    answer = api.post(verb, unknown, **fields)
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_TASK")


def test_many_reports_at_once_are_each_answered(api, held, output):
    tasks = held(200, mode="start")
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda pair: api.post("complete", pair[1], output=pair[0]), enumerate(tasks)))
    assert [answer.json() for answer in answers] == [{"status": "completed"}] * 200
    assert [output(task)[1] for task in tasks] == [str(n) for n in range(200)]


def test_one_bad_report_does_not_fail_its_neighbours(api, held, output):
    tasks = held(20, mode="start")
    values = [f"text {n}" for n in range(20)]
    values[7] = "nul \0 inside"
    with ThreadPoolExecutor(20) as pool:
        pairs = zip(tasks, values, strict=True)
        answers = list(pool.map(lambda pair: api.post("complete", pair[0], output=pair[1]), pairs))
    assert [answer.status_code for answer in answers] == [200] * 7 + [422] + [200] * 12
    assert answers[7].json()["code"] == "OUTPUT_INVALID"
    assert output(tasks[7])[0] == "running"
