"""What is wrong with a request is said with a status, a code and the place; the service goes on."""

from __future__ import annotations

import json
import socket
import time

import pytest


def test_without_a_bearer_nothing_is_read(api, held):
    (task,) = held(mode="start")
    for headers in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer not-a-token"}):
        answer = api.http.post("/v1/tasks/complete", json=task.address, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_MISSING")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"run_id": NaN}', "NaN is not a JSON value"),
        (b'{"run_id": "", "output": [1e999]}', "1e999 is too large a number"),
        (b"\xff\xfe", "not UTF-8 (byte 0)"),
        (b"[" * 100_000, "nested more than 190 levels deep"),
        (b"[]", "the body: "),
        (b"{}", "run_id: Field required"),
        (b'{"run_id": "nonsense", "step_slug": "a"}', "run_id: "),
        (
            b'{"run_id": "01890a5d-ac96-774b-bcce-b302099a8057", "step_slug": "a", "task_index": "x"}',
            "task_index: ",
        ),
        (b'{"run_id": "01890a5d-ac96-774b-bcce-b302099a8057", "step_slug": "a b"}', "step_slug: "),
        (b'{"run_id": "01890a5d-ac96-774b-bcce-b302099a8057", "step_slug": "a", "outptu": 1}', "outptu: "),
    ],
)
def test_a_bad_body_is_named(api, held, body, said):
    (task,) = held(mode="start")
    answer = api.send("complete", task, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "BODY_INVALID")
    assert said in answer.json()["message"]


def test_a_body_that_repeats_the_address_speaks_for_the_bearer_alone(api, held, output):
    mine, other = held(2, mode="start")
    body = json.dumps({**mine.address, "output": 1})[:-1] + f', "run_id": "{other.run_id}"}}'
    assert api.send("complete", mine, body).status_code == 409
    assert output(other)[0] == output(mine)[0] == "running"


def test_a_large_body_is_refused_before_it_is_read(serve, held):
    api = serve(max_body=2048)
    (task,) = held(mode="start")
    answer = api.post("complete", task, output="x" * 10_000_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")

    head = (
        f"POST /v1/tasks/complete HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {task.token}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"800\r\n" + b"x" * 2048 + b"\r\n1\r\nx\r\n")  # and no end
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_half_a_head_is_not_waited_for(api, held, monkeypatch):
    """Nor is the rest of the next head of a connection that was answered before."""
    monkeypatch.setattr("pgflow.http.patience.HEAD_SECONDS", 1.0)
    (task,) = held(mode="start")
    body = json.dumps({**task.address, "output": 1})
    whole = (
        f"POST /v1/tasks/complete HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {task.token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    for before in ("", whole):
        with socket.create_connection(("127.0.0.1", api.port), timeout=30) as connection:
            connection.sendall(f"{before}POST /v1/tasks/complete HTTP/1.1\r\nHost: x\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))  # until the server ends it
        assert answer.startswith(b"HTTP/1.1 200") if before else answer == b""


def test_a_head_that_never_ends_is_cut_off(api):
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as connection:
        connection.sendall(b"POST /v1/tasks/complete HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")
    assert api.http.post("/v1/tasks/complete").status_code == 401


def test_other_paths_and_methods_are_refused_in_the_same_form(api):
    answer = api.http.post("/v1/tasks/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "NO_SUCH_PATH")
    answer = api.http.get("/v1/tasks/complete")
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == "POST"


def test_a_lost_database_is_told_and_outlived(api, held, pgflow_connection, output):
    first, second = held(2, mode="start")
    assert api.post("complete", first, output=1).status_code == 200
    pgflow_connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
        "and pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 30
    while (answer := api.post("complete", second, output=2)).status_code != 200:
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert time.monotonic() < deadline
    assert output(second) == ("completed", "2", None)


def test_a_run_held_open_by_somebody_asks_to_try_again(api, held, pgflow_database):
    import psycopg

    held_open, free = held(2, mode="start")
    with psycopg.connect(pgflow_database) as connection:
        connection.execute(
            "select pgflow.complete_step_task(%s, %s, %s, %s, '1')",
            [held_open.run_id, held_open.step_slug, 0, held_open.token],
        )
        answer = api.post("complete", held_open, output=1)
        assert (answer.status_code, answer.json()["code"]) == (503, "RUN_HELD")
        assert api.post("complete", free, output=1).status_code == 200
        connection.commit()
    assert api.post("complete", held_open, output=1).json() == {"status": "duplicate"}
