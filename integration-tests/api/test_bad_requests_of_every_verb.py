"""The same bad requests to every verb: a clear status each, and the service and the task are unharmed."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from http.client import HTTPResponse

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


@pytest.mark.parametrize("verb", VERBS)
def test_a_bearer_that_is_no_more_is_refused(api, key, held, pgflow_connection, verb):
    (task,) = held(mode="start")
    pgflow_connection.execute("select pgflow.revoke_worker_key(key_id) from pgflow.worker_keys")
    assert api.post("fail", task, error={"message": "m"}, retry_after_seconds=0).status_code == 200
    assert pgflow_connection.execute("select 1 from pgflow.claim_step_tasks('local', 'w', 1)").fetchall()
    if verb == "claim":
        expected = (401, "KEY_REFUSED")
    else:
        expected = (200, "duplicate") if verb == "fail" else (409, "STALE")
    bearer = key if verb == "claim" else task.token
    headers = {"Authorization": f"Bearer {bearer}"}
    answer = api.http.post(f"/v1/tasks/{verb}", json=good(verb, task), headers=headers)
    told = answer.json()
    assert (answer.status_code, told.get("code") or told["status"]) == expected


def connected(api, stack):
    return stack.enter_context(socket.create_connection(("127.0.0.1", api.port), timeout=30))


def served(api, key, held):
    """Every verb does what it is there for."""
    for verb in VERBS:
        (task,) = held(mode="launch" if verb == "start" else "start")
        answer = api.claim(key) if verb == "claim" else api.post(verb, task, **good(verb, task))
        assert answer.status_code == 200, verb


def test_a_thousand_half_open_connections_starve_no_verb(api, key, held):
    with ExitStack() as stack:
        for number in range(1000):
            verb = VERBS[number % len(VERBS)]
            connection = connected(api, stack)
            connection.sendall(f"POST /v1/tasks/{verb} HTTP/1.1\r\nHost: x\r\n".encode())
        served(api, key, held)


def test_a_slow_body_of_every_verb_is_cut_off_and_others_are_served_meanwhile(serve, key, held, output):
    api = serve(body_timeout=2.0)
    (task,) = held(mode="start")
    with ExitStack() as stack:
        slow = [connected(api, stack) for _ in VERBS]
        for verb, connection in zip(VERBS, slow, strict=True):
            bearer = key if verb == "claim" else task.token
            connection.sendall(
                f"POST /v1/tasks/{verb} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n"
                "Content-Length: 500\r\n\r\n{".encode()
            )
        served(api, key, held)
        for connection in slow:
            answer = HTTPResponse(connection)
            answer.begin()
            assert (answer.status, json.load(answer)["code"]) == (408, "BODY_TIMEOUT")
    assert output(task)[0] == "running"
