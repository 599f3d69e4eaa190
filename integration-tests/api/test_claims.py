"""Workers that pull: what a claim answers, how it waits, and that no task is lost on the way."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from pgflow.database.statements.keys import claim_with_key

from .conftest import SECONDS, Held


def held_of(task):
    return Held(task["run_id"], task["step_slug"], task["task_index"], task["attempt_token"])


def eventually(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def statuses(pgflow_connection):
    """Count the tasks by status."""

    def read():
        rows = pgflow_connection.execute(
            "select status, count(*) as count from pgflow.step_tasks group by status"
        )
        return {row["status"]: row["count"] for row in rows}

    return read


@pytest.fixture
def claims_made(monkeypatch):
    """The statements that the server made for claims so far."""
    made = []

    def note(*arguments, **options):
        made.append(arguments)
        return claim_with_key(*arguments, **options)

    monkeypatch.setattr("pgflow.api.claims.claim_with_key", note)
    return made


def test_a_claimed_task_comes_with_its_input_and_its_token_speaks_for_it(api, key, start, output):
    (run_id,) = start()
    answer = api.claim(key)
    assert answer.status_code == 200
    (task,) = answer.json()["tasks"]
    assert (
        task.items() >= {"run_id": run_id, "step_slug": "work", "step_type": "single", "attempt": 1}.items()
    )
    assert task["input"] == {"run": {"n": 0}}
    assert (task["handler"], task["params"], task["timeout_seconds"]) == ("m:f", None, 60)
    mine = held_of(task)
    assert api.post("heartbeat", mine).json()["status"] == "ok"
    assert api.post("complete", mine, output=7).json() == {"status": "completed"}
    assert output(mine) == ("completed", "7", None)
    assert api.claim(key).json() == {"tasks": []}


def test_a_task_that_is_handed_on_begins_with_its_handshake(api, key, start):
    start()
    (task,) = api.claim(key, mode="launch", inputs="none").json()["tasks"]
    assert task["input"] is None
    assert task["external_id"]
    assert api.post("start", held_of(task), instance_id="pod-1").json()["input"] == {"run": {"n": 0}}


def test_a_claim_takes_no_more_than_it_asks_for(api, key, start):
    start(5)
    assert len(api.claim(key, max_tasks=3).json()["tasks"]) == 3
    assert len(api.claim(key, max_tasks=3).json()["tasks"]) == 2


def test_numbers_of_inputs_keep_all_their_digits(api, key, pgflow_connection):
    definition = {"flow_slug": "f", "steps": [{"step_slug": "a", "needs_run_input": True}]}
    pgflow_connection.execute("select pgflow.define_flow(%s)", [json.dumps(definition)])
    pgflow_connection.execute("select pgflow.run_flow('f', '[1.10, 123456789012345678901.5]')")
    assert '"input":{"run": [1.10, 123456789012345678901.5]}' in api.claim(key).text


def test_a_bad_key_is_refused(api, key, start, pgflow_connection):
    start()
    for bearer in (key[:-1], "x", "7c9e6679-7425-40de-944b-e07fc1f90ae7"):
        answer = api.claim(bearer)
        assert (answer.status_code, answer.json()["code"]) == (401, "KEY_REFUSED")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    answer = api.claim(key, executor="gpu")
    assert (answer.status_code, answer.json()["code"]) == (403, "KEY_SCOPE")
    assert "local" in answer.json()["message"]
    pgflow_connection.execute("select pgflow.revoke_worker_key(key_id) from pgflow.worker_keys")
    assert api.claim(key).status_code == 401


def test_the_token_of_a_task_claims_nothing_and_a_key_reports_nothing(api, key, held):
    (task,) = held(mode="start")
    assert api.claim(task.token).status_code == 401
    answer = api.http.post(
        "/v1/tasks/complete", json=task.address, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 401


def test_a_claim_waits_for_a_task_and_gets_it(api, key, start):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.claim, key, wait_seconds=30)
        eventually(waiting.running)
        start()
        assert len(waiting.result(SECONDS).json()["tasks"]) == 1


def test_a_claim_that_waits_in_vain_is_answered_with_none(api, key):
    assert api.claim(key, wait_seconds=0.2).json() == {"tasks": []}


def test_a_task_that_is_retried_later_reaches_who_waits(api, key, start):
    start(base_delay=1)
    (task,) = api.claim(key).json()["tasks"]
    assert api.post("fail", held_of(task), error={"message": "m"}).json() == {"status": "retrying"}
    (again,) = api.claim(key, wait_seconds=30).json()["tasks"]
    assert (again["run_id"], again["attempt"]) == (task["run_id"], 2)


def test_all_who_wait_are_served_when_many_tasks_come_at_once(api, key, start):
    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(api.claim, key, wait_seconds=30) for _ in range(40)]
        start(40)
        tasks = [task for each in waiting for task in each.result(SECONDS).json()["tasks"]]
    assert len({task["attempt_token"] for task in tasks}) == 40


def test_those_who_wait_cost_a_claim_for_each_who_gets_a_task(claims_made, api, key, start):
    """Not one for each who waits."""
    with ThreadPoolExecutor(32) as pool:
        waiting = [pool.submit(api.claim, key, wait_seconds=30) for _ in range(32)]
        eventually(lambda: all(each.running() for each in waiting))
        for count in (1, 31):
            start(count)
        assert all(each.result(SECONDS).json()["tasks"] for each in waiting)
    assert 32 <= len(claims_made) < 32 * 3


class Caller:
    """A client that sends a claim and does with the connection as it likes."""

    def __init__(self, api, key, **fields):
        body = json.dumps({"executor": "local", "worker_id": "gone", **fields}).encode()
        head = (
            f"POST /v1/tasks/claim HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket = socket.create_connection(("127.0.0.1", api.port), timeout=SECONDS)
        self.socket.sendall(head.encode() + body)

    def hang_up(self):
        self.socket.close()


def fill(api, key):
    """Have callers take every place."""
    callers = []
    eventually(lambda: callers.append(Caller(api, key, wait_seconds=30)) or api.claim(key).status_code == 429)
    return callers


def test_who_hung_up_while_waiting_gets_no_task(serve, key, start):
    """Its place is free at once, and the task goes to who is there."""
    api = serve(waiting_claims=3)
    callers = fill(api, key)
    for caller in callers:
        caller.hang_up()
    eventually(lambda: api.claim(key).status_code == 200)
    start()
    (task,) = api.claim(key, wait_seconds=30).json()["tasks"]
    assert task["attempt"] == 1


def test_what_is_claimed_while_the_client_hangs_up_is_handed_back(api, key, start, pgflow_database):
    """The claim is held up in the database until the client is gone."""
    (run_id,) = start()
    with psycopg.connect(pgflow_database) as other:
        # The key's row cannot be read while another transaction changes the table: the claim waits there.
        other.execute("lock table pgflow.worker_keys in access exclusive mode")
        caller = Caller(api, key)
        watching = psycopg.connect(pgflow_database, autocommit=True)
        eventually(
            lambda: watching.execute(
                "select 1 from pg_locks where not granted and relation = 'pgflow.worker_keys'::regclass"
            ).fetchone()
        )
        caller.hang_up()
        # Any answered request after it: the server has seen the end of the connection.
        assert api.http.get("/openapi.json").status_code == 200
        other.rollback()
    watching.close()
    (task,) = api.claim(key, wait_seconds=30).json()["tasks"]
    # Attempt 1 if the server saw the end of the connection before the claim had taken anything.
    assert (task["run_id"], task["attempt"] <= 2, task["failures"]) == (run_id, True, 0)


def test_no_task_is_lost_or_run_twice_while_clients_come_and_go(api, key, start, statuses, pgflow_connection):
    start(200, max_attempts=1000)

    def vanish():
        for _ in range(50):
            Caller(api, key, wait_seconds=30, max_tasks=3, lease_seconds=2).hang_up()

    def work():
        done = 0
        while statuses() != {"completed": 200}:
            for task in api.claim(key, wait_seconds=1, max_tasks=5).json()["tasks"]:
                done += api.post("complete", held_of(task), output=1).json().get("status") == "completed"
        return done

    with ThreadPoolExecutor(4) as pool:
        vanishing = [pool.submit(vanish) for _ in range(2)]
        working = [pool.submit(work) for _ in range(2)]
        assert [each.result(SECONDS) for each in vanishing] == [None, None]
        assert sum(each.result(2 * SECONDS) for each in working) == 200
    assert pgflow_connection.execute("select * from pgflow.check_invariants()").fetchall() == []


def test_no_more_claims_wait_than_there_are_places(serve, key):
    api = serve(waiting_claims=2)
    callers = fill(api, key)
    answer = api.claim(key)
    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_CLAIMS")
    assert answer.headers["Retry-After"] == "1"
    for caller in callers:
        caller.hang_up()
    eventually(lambda: api.claim(key).status_code == 200)


def test_reports_are_served_while_every_place_is_taken(serve, key, held):
    api = serve(waiting_claims=50)
    tasks = held(5, mode="start")
    callers = fill(api, key)
    assert [api.post("complete", task, output=1).status_code for task in tasks] == [200] * 5
    for caller in callers:
        caller.hang_up()


def test_a_lost_doorbell_is_replaced_by_looking(api, key, start, pgflow_connection):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.claim, key, wait_seconds=30)
        listening = (
            "select pid from pg_stat_activity "
            "where application_name = 'pgflow claims' and datname = current_database()"
        )
        eventually(lambda: pgflow_connection.execute(listening).fetchone())
        pgflow_connection.execute(f"select pg_terminate_backend(pid) from ({listening}) x")
        start()
        assert len(waiting.result(SECONDS).json()["tasks"]) == 1
