"""Upkeep, doorbells and broadcasts, where a project has pg_cron, pg_net and Realtime: stand-ins of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pgflow.embedded import EmbeddedServer

from .conftest import Project, opened_project

POSTS = "select url, headers ->> 'x-key', convert_from(body, 'UTF8') from net.http_request_queue order by id"
BROADCASTS = "select topic, event, private, payload from realtime.messages"
URL = "http://127.0.0.1:9/wake"


@pytest.fixture(scope="module")
def equipped(cluster: EmbeddedServer, migrations: list[str]) -> Iterator[Project]:
    with opened_project(cluster, "equipped", migrations, stand_ins=True) as opened:
        opened.owner.execute(
            "select pgflow.define_flow(pgflow.flow('shop', pgflow.step('a'), pgflow.step('b', array['a'])))"
        )
        opened.owner.execute("select pgflow.open_flow('shop')")
        yield opened


@pytest.fixture
def project(equipped: Project) -> Iterator[Project]:
    """Without runs, calls and broadcasts of the test before."""
    yield equipped
    equipped.owner.execute(
        "select pgflow_supabase.set_doorbell(executor, null) from pgflow_supabase.doorbells"
    )
    equipped.owner.execute("select pgflow.cancel_run(run_id) from pgflow.runs where status = 'running'")
    equipped.owner.execute(
        "select count(*) from pgflow.claim_step_tasks('local', 'w', 500)"
    )  # drops the rest
    equipped.owner.execute("truncate net.http_request_queue, realtime.messages")


def rows(project: Project, query: str) -> list[Any]:
    return project.owner.execute(query).fetchall()


def start(project: Project, subject: str = "ada") -> str:
    return str(project.asked("authenticated", subject, "select run_id from pgflow.start_flow('shop')"))


def test_nothing_was_skipped_and_the_job_is_there_once(project: Project) -> None:
    assert not [said for said in project.notices if said.startswith("pgflow:")]
    project.owner.execute("select pgflow_supabase.install()")
    ((schedule, command, name),) = rows(project, "select schedule, command, username from cron.job")
    assert (schedule, name) == ("* * * * *", "project_owner")
    assert isinstance(project.value(command), dict)


def test_a_ready_task_rings_once_a_transaction(project: Project) -> None:
    project.owner.execute("select pgflow_supabase.set_doorbell('local', %s, %s)", [URL, '{"x-key": "k"}'])
    project.owner.execute("select pgflow_supabase.set_doorbell('elsewhere', %s)", [URL])
    with project.owner.transaction():
        for _ in range(5):
            project.owner.execute("select pgflow.run_flow('shop')")
        project.owner.execute("select pgflow.run_flows('shop', array_fill('{}'::jsonb, array[50]))")
    ((url, key, body),) = rows(project, POSTS)
    assert (url, key, json.loads(body)) == (URL, "k", {"executor": "local"})


def test_a_call_that_waits_is_not_doubled_and_an_undone_start_rings_nothing(project: Project) -> None:
    project.owner.execute("select pgflow_supabase.set_doorbell('local', %s)", [URL])
    with project.owner.transaction(force_rollback=True):
        project.owner.execute("select pgflow.run_flow('shop')")
    assert rows(project, POSTS) == []
    for _ in range(3):
        start(project)
    assert len(rows(project, POSTS)) == 1
    project.owner.execute("delete from net.http_request_queue")  # as pg_net does when it sends
    start(project)
    assert len(rows(project, POSTS)) == 1


def test_upkeep_rings_for_what_is_ready_still(project: Project) -> None:
    project.owner.execute("select pgflow_supabase.set_doorbell('local', %s)", [URL])
    project.value("select pgflow_supabase.upkeep()")
    assert rows(project, POSTS) == []
    start(project)
    project.owner.execute("delete from net.http_request_queue")
    project.value("select pgflow_supabase.upkeep()")
    assert len(rows(project, POSTS)) == 1


def test_without_a_doorbell_nothing_is_in_the_way(project: Project) -> None:
    triggers = "select count(*) from pg_trigger where tgrelid = 'pgflow.ready_tasks'::regclass"
    assert project.value(triggers) == 0
    project.owner.execute("select pgflow_supabase.set_doorbell('local', %s)", [URL])
    assert project.value(triggers) == 1
    project.owner.execute("select pgflow_supabase.set_doorbell('local', null)")
    assert project.value(triggers) == 0
    start(project)
    assert rows(project, POSTS) == []


@pytest.mark.parametrize(
    "arguments", ["'x', 'no url'", "'x', 'ftp://h/'", "'x', 'http://h/', '[]'", "'x', 'http://h/', null"]
)
def test_a_doorbell_of_nonsense_is_refused(project: Project, arguments: str) -> None:
    with pytest.raises(psycopg.Error, match="a doorbell needs a url") as caught:
        project.owner.execute(f"select pgflow_supabase.set_doorbell({arguments})")
    assert caught.value.sqlstate == "PF008"


def test_a_run_is_broadcast_to_its_owner_by_id(project: Project) -> None:
    run_id = start(project)
    project.owner.execute("select pgflow.cancel_run(%s)", [run_id])
    told = ("pgflow:ada", "run", True, {"run_id": run_id})
    assert rows(project, BROADCASTS) == [told, told]


@pytest.mark.parametrize(("listener", "heard"), [("ada", 1), ("eve", 0)])
def test_a_user_hears_the_topic_of_its_own(project: Project, listener: str, heard: int) -> None:
    """Realtime asks so whether somebody may join a topic: as that user, with the topic set."""
    start(project)
    with project.signed_in("authenticated", listener) as gate:
        gate.execute("select set_config('realtime.topic', 'pgflow:ada', true)")
        assert gate.execute("select count(*) from realtime.messages").fetchone() == (heard,)


@pytest.mark.parametrize(
    "broken", ["net.http_post(text, jsonb, jsonb, jsonb, int)", "realtime.send(jsonb, text, text, boolean)"]
)
def test_what_fails_to_be_sent_fails_nothing(project: Project, cluster: EmbeddedServer, broken: str) -> None:
    project.owner.execute("select pgflow_supabase.set_doorbell('local', %s)", [URL])
    with psycopg.connect(cluster.dsn("equipped"), autocommit=True) as admin:
        admin.execute(f"alter function {broken} rename to gone")
        try:
            run_id = start(project)
            task = project.owner.execute("select * from pgflow.claim_step_tasks('local', 'w', 1)").fetchone()
            assert str(task[0]) == run_id
            report = "select pgflow.complete_step_task(%s, %s, %s, %s, '1')"
            assert project.value(report, task[0], task[3], task[5], task[7]) == "completed"
            assert project.value("select pgflow.cancel_run(%s)", run_id) == "cancelled"
            project.value("select pgflow_supabase.upkeep()")
        finally:
            schema = broken.partition(".")[0]
            admin.execute(
                f"alter function {schema}.gone rename to {broken.partition('.')[2].partition('(')[0]}"
            )


@pytest.mark.parametrize("table", ["net.http_request_queue", "realtime.messages"])
def test_what_is_locked_does_not_hold_up_a_start(
    project: Project, cluster: EmbeddedServer, table: str
) -> None:
    project.owner.execute("select pgflow_supabase.set_doorbell('local', %s)", [URL])
    with psycopg.connect(cluster.dsn("equipped")) as other:
        other.execute(f"lock table {table} in access exclusive mode")
        run_id = start(project)
    assert str(project.value("select run_id from pgflow.runs where status = 'running'")) == run_id
