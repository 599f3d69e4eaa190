"""The same bad requests to every verb: a clear status each, and the service and the task are unharmed."""

from __future__ import annotations

import json

import pytest

VERBS = ["claim", "start", "heartbeat", "complete", "fail", "release"]


@pytest.fixture
def send(api, key, held, output):
    """Send a body to a verb as somebody who may call it; nothing must have changed afterwards."""
    (task,) = held(mode="start")

    def post(verb, body):
        bearer = key if verb == "claim" else task.token
        return api.http.post(f"/v1/tasks/{verb}", content=body, headers={"Authorization": f"Bearer {bearer}"})

    post.task = task
    yield post
    assert output(task)[0] == "running"
    assert api.post("complete", task, output=1).json() == {"status": "completed"}


def good(verb, task):
    if verb == "claim":
        return {"executor": "local", "worker_id": "w"}
    more = {"start": {"instance_id": "i"}, "fail": {"error": {"message": "m"}}}
    return {**task.address, **more.get(verb, {})}


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_no_json_object_is_refused(send, verb):
    bodies = [b"", b"{", b"[]", b"5", b"null", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000]
    for body in bodies:
        answer = send(verb, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "BODY_INVALID")


@pytest.mark.parametrize("verb", VERBS)
def test_every_field_of_a_wrong_type_and_every_unknown_one_is_named(send, verb):
    right = good(verb, send.task)
    for name in [*right, "unknown"]:
        answer = send(verb, json.dumps({**right, name: [{}]}))
        assert (answer.status_code, answer.json()["code"]) == (422, "BODY_INVALID")
        assert name in answer.json()["message"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_nul_character_and_half_a_surrogate_pair_are_refused(send, verb):
    right = good(verb, send.task)
    for name in (name for name, value in right.items() if isinstance(value, str)):
        for bad in ("\\u0000", "\\ud800"):
            body = json.dumps({**right, name: "BAD"}).replace("BAD", bad)
            assert send(verb, body).status_code == 422, (name, bad)


@pytest.mark.parametrize("verb", VERBS)
def test_ten_megabytes_are_refused(send, verb):
    answer = send(verb, json.dumps({**good(verb, send.task), "output": "x" * 10_000_000}))
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("verb", VERBS)
def test_without_a_bearer_nothing_is_read(api, verb):
    for headers in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer"}):
        answer = api.http.post(f"/v1/tasks/{verb}", content=b"x" * 100, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_MISSING")
