"""The SQL verbs through a real PostgREST: what each role may call and see, and what a refusal looks like."""

from __future__ import annotations

import uuid

import httpx
import pytest
from pgflow_testing.postgrest import token_for


class Caller:
    """Somebody with a role, or nobody in particular."""

    def __init__(self, postgrest, role: str | None, **claims: str) -> None:
        bearer = {"Authorization": f"Bearer {token_for(role, **claims)}"} if role is not None else {}
        self.http = httpx.Client(base_url=postgrest.url, headers=bearer, timeout=60, trust_env=False)

    def call(self, verb: str, **arguments: object) -> httpx.Response:
        return self.http.post(f"rpc/{verb}", json=arguments)

    def read(self, table: str) -> httpx.Response:
        return self.http.get(table)


@pytest.fixture
def caller(postgrest):
    made = []

    def make(role=None, **claims):
        made.append(Caller(postgrest, role, **claims))
        return made[-1]

    yield make
    for each in made:
        each.http.close()


def spoken_for(task, **more):
    return {**task.address, "attempt_token": task.token, **more}


def test_a_worker_reports_its_own_task(caller, held, output):
    mine, other = held(2, mode="start")
    worker = caller("pgflow_worker")
    answer = worker.call("complete_step_task", **spoken_for(mine, output={"a": 1}))
    assert (answer.status_code, answer.json()) == (200, "completed")
    assert output(mine) == ("completed", '{"a": 1}', None)
    stolen = worker.call("complete_step_task", **{**spoken_for(mine, output=2), **other.address})
    assert (stolen.status_code, stolen.json()) == (200, "stale")
    assert output(other)[0] == "running"


def test_a_worker_sees_and_claims_nothing_without_a_key(caller, held, key, start):
    held(mode="start")
    worker = caller("pgflow_worker")
    for table in ("runs", "step_tasks", "step_states", "worker_keys"):
        assert worker.read(table).status_code == 403
    claim = {"executor": "local", "worker_id": "w", "max_tasks": 1}
    assert worker.call("claim_step_tasks", **claim).status_code == 403
    assert worker.call("run_flow", flow_slug="f").status_code == 403
    refused = worker.call("claim_with_key", key="nonsense", **claim)
    assert (refused.status_code, refused.json()["code"]) == (400, "PF009")
    (run_id,) = start()
    (task,) = worker.call("claim_with_key", key=key, **claim).json()
    assert task["run_id"] == run_id


def test_a_viewer_sees_all_but_no_token(caller, held, key, pgflow_connection):
    (task,) = held(mode="start")
    pgflow_connection.execute("select pgflow.cancel_run(%s)", [task.run_id])
    viewer = caller("pgflow_viewer")
    for table in ("runs", "step_tasks", "step_states", "task_attempts"):
        rows = viewer.read(table).json()
        assert len(rows) == 1
        assert not [name for name in rows[0] if "token" in name]
    for table in ("run_steps", "step_task_attempts", "worker_keys"):
        assert viewer.read(f"{table}?select=token_hash").status_code == 403
    assert viewer.call("complete_step_task", **spoken_for(task, output=1)).status_code == 403
    assert viewer.call("cancel_run", run_id=task.run_id).status_code == 403
    assert viewer.call("create_worker_key", name="x", executors=["local"]).status_code == 403


def test_nobody_gets_nothing(caller, held):
    (task,) = held(mode="start")
    nobody = caller()
    for table in ("runs", "flows", "step_tasks", "worker_keys"):
        assert nobody.read(table).status_code == 401
    for verb in ("complete_step_task", "fail_step_task", "start_step_task", "claim_with_key", "get_run"):
        assert nobody.call(verb, **spoken_for(task)).status_code in {401, 404}
    assert nobody.call("complete_step_task", **spoken_for(task, output=1)).status_code == 401


def test_who_is_signed_in_sees_the_runs_it_owns(caller, start):
    start(0)
    ada, eve = (caller("pgflow_client", sub=name) for name in ("ada", "eve"))
    (flow,) = ada.read("flows?select=flow_slug").json()
    (run,) = ada.call("run_flow", flow_slug=flow["flow_slug"], input={"n": 1}).json()
    assert [each["owner"] for each in ada.read("runs").json()] == ["ada"]
    assert ada.call("get_run", run_id=run["run_id"]).json()["status"] == "running"
    for table in ("runs", "step_tasks", "step_states"):
        assert eve.read(table).json() == []
    for verb in ("get_run", "cancel_run"):
        refused = eve.call(verb, run_id=run["run_id"])
        assert (refused.status_code, refused.json()["code"]) == (400, "PF006")
        assert "ada" not in refused.text
    assert ada.call("cancel_run", run_id=run["run_id"]).json() == "cancelled"


def test_a_user_starts_what_is_open_and_another_learns_nothing_of_it(caller, start, pgflow_connection):
    (other,) = start()
    (slug,) = pgflow_connection.execute("select flow_slug from pgflow.runs limit 1").fetchone().values()
    ada, eve = (caller("pgflow_user", sub=name) for name in ("ada", "eve"))
    closed, unknown = (ada.call("start_flow", flow_slug=name) for name in (slug, "unknown"))
    assert (closed.status_code, unknown.status_code) == (400, 400)
    assert closed.text.replace(slug, "?") == unknown.text.replace("unknown", "?")
    pgflow_connection.execute("select pgflow.open_flow(%s)", [slug])
    (run,) = ada.call("start_flow", flow_slug=slug, input={"n": 1}, idempotency_key="k").json()
    assert ada.call("start_flow", flow_slug=slug, input={"n": 1}, idempotency_key="k").json() == [
        {**run, "created": False}
    ]
    assert eve.call("start_flow", flow_slug=slug, input={}, idempotency_key="k").json()[0]["created"] is True
    assert [each["owner"] for each in ada.read("runs").json()] == ["ada"]
    assert ada.call("get_run", run_id=run["run_id"]).json()["owner"] == "ada"
    nothing = str(uuid.UUID(int=7))
    for verb in ("get_run", "get_progress", "cancel_run", "retry_run"):
        missing = eve.call(verb, run_id=nothing)
        assert (missing.status_code, missing.json()["code"]) == (400, "PF003")
        for run_id in (run["run_id"], other):
            foreign = eve.call(verb, run_id=run_id)
            assert (foreign.status_code, foreign.text.replace(run_id, nothing)) == (400, missing.text)
    assert run["run_id"] not in eve.call("list_runs", max_scanned=1).text
    for verb in ("run_flow", "open_flow", "backlog"):
        assert ada.call(verb, flow_slug=slug).status_code in {403, 404}
    assert ada.call("cancel_run", run_id=run["run_id"]).json() == "cancelled"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"run_id": str(uuid.UUID(int=7))}, 400, "PF003"),
        ({"task_index": -1}, 400, "PF003"),
        ({"output": "nul \0"}, 400, "22P05"),
        ({"run_id": "x"}, 400, "22P02"),
    ],
)
def test_what_is_refused_says_so_by_its_code(caller, held, changes, status, code):
    (task,) = held(mode="start")
    answer = caller("pgflow_worker").call("complete_step_task", **{**spoken_for(task, output=1), **changes})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
