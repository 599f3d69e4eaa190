"""What the API's roles may in a migrated project: by SQL as PostgREST speaks it, and through a real one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pgflow_sql
import psycopg
import pytest
from pgflow.embedded import BinariesMissing
from pgflow_testing.postgrest import find_postgrest, start_postgrest, token_for
from psycopg.conninfo import make_conninfo

from .conftest import PASSWORD, Project

GET_RUN = "select pgflow.get_run(%s)"


def started(project: Project, role: str, subject: str | None, flow: str = "shop") -> uuid.UUID:
    found: uuid.UUID = project.asked(role, subject, "select run_id from pgflow.start_flow(%s)", flow)
    return found


def refusal(project: Project, role: str, subject: str | None, query: str, *params: Any) -> tuple[str, str]:
    with pytest.raises(psycopg.Error) as caught:
        project.asked(role, subject, query, *params)
    return caught.value.sqlstate or "", caught.value.diag.message_primary or ""


def test_pgflow_migrate_finds_nothing_left_to_do(project: Project) -> None:
    assert project.value("select rolsuper from pg_roles where rolname = current_user") is False
    assert pgflow_sql.pending_migrations(project.owner) == []
    assert pgflow_sql.migrate(project.owner) == []


def test_what_is_missing_is_said_and_nothing_is_left_in_the_way(project: Project) -> None:
    said = "\n".join(project.notices)
    for word in ("no upkeep by pg_cron", "no broadcasts", "no doorbells"):
        assert word in said
    assert "granted" not in said
    assert "inherit" not in said
    triggers = "select count(*) from pg_trigger t join pg_class c on c.oid = tgrelid where not tgisinternal"
    assert project.value(f"{triggers} and relnamespace = 'pgflow'::regnamespace") == 0
    with pytest.raises(psycopg.Error, match="pg_net is not enabled"):
        project.owner.execute("select pgflow_supabase.set_doorbell('local', 'http://localhost')")


def test_the_migration_can_be_completed_again_and_again(project: Project) -> None:
    before = started(project, "authenticated", "ada")
    project.owner.execute("select pgflow_supabase.install()")
    assert project.asked("authenticated", "ada", GET_RUN, before)["owner"] == "ada"


def test_who_is_signed_in_sees_the_runs_it_owns(project: Project) -> None:
    ada, eve = str(uuid.uuid4()), str(uuid.uuid4())
    run_id = started(project, "authenticated", ada)
    of_the_service = started(project, "service_role", None)
    assert project.asked("authenticated", ada, GET_RUN, run_id)["owner"] == ada
    assert project.asked("authenticated", ada, "select array_agg(owner) from pgflow.runs") == [ada]
    assert project.asked("authenticated", eve, "select count(*) from pgflow.runs") == 0
    assert project.asked("authenticated", eve, "select pgflow.list_runs()") == {"runs": [], "next": None}
    unknown = uuid.uuid4()
    for verb in ("get_run", "get_progress", "cancel_run", "retry_run"):
        told = refusal(project, "authenticated", eve, f"select pgflow.{verb}(%s)", unknown)
        assert told[0] == "PF003"
        for foreign in (run_id, of_the_service):
            code, said = refusal(project, "authenticated", eve, f"select pgflow.{verb}(%s)", foreign)
            assert (code, said.replace(str(foreign), str(unknown))) == told
    assert project.asked("authenticated", ada, "select pgflow.cancel_run(%s)", run_id) == "cancelled"


def test_who_is_signed_in_starts_what_was_opened(project: Project) -> None:
    closed = refusal(project, "authenticated", "ada", "select pgflow.start_flow('closed')")
    unknown = refusal(project, "authenticated", "ada", "select pgflow.start_flow('unknown')")
    assert closed == ("PF002", 'no flow "closed"')
    assert unknown == ("PF002", 'no flow "unknown"')
    assert refusal(project, "authenticated", "ada", "select pgflow.run_flow('shop')")[0] == "42501"
    assert started(project, "service_role", None, "closed")


@pytest.mark.parametrize(
    "query",
    [
        "select pgflow.start_flow('shop')",
        "select pgflow.list_runs()",
        "select count(*) from pgflow.runs",
        "select pgflow_supabase.upkeep()",
    ],
)
def test_who_is_not_signed_in_gets_nothing(project: Project, query: str) -> None:
    assert refusal(project, "anon", None, query)[0] == "42501"


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
def test_the_api_has_no_part_in_doorbells(project: Project, role: str) -> None:
    for query in ("select pgflow_supabase.set_doorbell('x', null)", "table pgflow_supabase.doorbells"):
        assert refusal(project, role, "ada", query)[0] == "42501"


def test_a_service_does_what_dispatchers_and_clients_do(project: Project) -> None:
    run_id = started(project, "authenticated", "ada")
    for _ in range(100):
        with project.signed_in("service_role") as gate:
            task = gate.execute("select * from pgflow.claim_step_tasks('local', 'w', 1)").fetchone()
            assert task is not None
            reported = gate.execute(
                "select pgflow.complete_step_task(%s, %s, %s, %s, '1')", [task[0], task[3], task[5], task[7]]
            ).fetchone()
        assert reported == ("completed",)
        if task[0] == run_id:
            break
    assert project.asked("service_role", None, GET_RUN, run_id)["status"] == "completed"
    assert project.asked("authenticated", "ada", GET_RUN, run_id)["output"] == {"a": 1}
    assert project.asked("service_role", None, "select pgflow.retry_run(%s, 'a')", run_id) is not None
    assert project.asked("service_role", None, "select pgflow.cancel_run(%s)", run_id) == "cancelled"
    for query in ("select pgflow.maintain()", "select pgflow.set_retention('30 days')"):
        project.asked("service_role", None, query)
    assert project.asked("service_role", None, "select count(*) from pgflow.runs") >= 1


class Api:
    """Requests to a real PostgREST."""

    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, verb: str, role: str | None, subject: str | None = None, **body: Any) -> httpx.Response:
        claims = {"sub": subject} if subject else {}
        headers = {"Authorization": f"Bearer {token_for(role, **claims)}"} if role else {}
        url = f"{self.url}rpc/{verb}"
        return httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def api(project: Project) -> Iterator[Api]:
    try:
        program = find_postgrest()
    except BinariesMissing as error:
        pytest.skip(str(error))
    dsn = make_conninfo(project.dsn, user="authenticator", password=PASSWORD)
    running = start_postgrest(program, dsn, "anon")
    yield Api(running.url)
    running.stop()


def test_a_browser_starts_and_follows_its_run_through_postgrest(project: Project, api: Api) -> None:
    (run,) = api.post("start_flow", "authenticated", "ada", flow_slug="shop", input={"n": 1}).json()
    shown = api.post("get_run", "authenticated", "ada", run_id=run["run_id"])
    assert (shown.status_code, shown.json()["owner"], shown.json()["status"]) == (200, "ada", "running")
    foreign = api.post("get_run", "authenticated", "eve", run_id=run["run_id"])
    unknown = api.post("get_run", "authenticated", "eve", run_id=str(uuid.UUID(int=7)))
    assert (foreign.status_code, foreign.json()["code"]) == (400, "PF003")
    assert foreign.text.replace(run["run_id"], str(uuid.UUID(int=7))) == unknown.text
    assert api.post("get_run", "service_role", run_id=run["run_id"]).json()["owner"] == "ada"
    assert api.post("start_flow", None, flow_slug="shop").status_code in {401, 404}
    assert api.post("cancel_run", "authenticated", "ada", run_id=run["run_id"]).json() == "cancelled"
