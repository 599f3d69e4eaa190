"""Commands of logins that have one role each: what each may do, and what it is told when it may not."""

import json
from uuid import uuid4

import psycopg
import pytest
from pgflow.cli._child import DispatcherProcess
from pgflow.cli._session import Session
from pgflow.database.failures import VERBS
from psycopg import sql
from psycopg.conninfo import make_conninfo

FLOW = """
from pgflow import Node, flow, map_step, step

def split(text: str) -> list[str]:
    return text.split()

def measure(word: str) -> int:
    return len(word)

def add(lengths: list[int]) -> int:
    return sum(lengths)

@flow
def letters(text: Node[str]) -> Node[int]:
    return step(add, map_step(measure, step(split, text)))
"""


@pytest.fixture
def log_in(project, database, monkeypatch):
    """A function that has the following commands run as a login with one role; returns its DSN."""
    admin = psycopg.connect(database, autocommit=True)
    names: dict[str, str] = {}

    def use(role: str | None) -> str:
        name = names.get(role)
        if name is None:
            name = names[role] = f"login_{uuid4().hex[:12]}"
            admin.execute(sql.SQL("create role {} login password 'pw'").format(sql.Identifier(name)))
            if role is not None:
                admin.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(name)))
        dsn = make_conninfo(database, user=name, password="pw")
        monkeypatch.setenv("PGFLOW_DSN", dsn)
        return dsn

    project.write("texts.py", FLOW)
    yield use
    for name in names.values():
        admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
    admin.close()


def test_three_logins_run_a_flow_from_end_to_end(project, log_in):
    log_in("pgflow_deployer")
    project.pgflow("deploy", "texts:letters")
    dispatcher = log_in("pgflow_dispatcher")
    with DispatcherProcess(dispatcher, Session(as_json=False), quiet=True):
        log_in("pgflow_client")
        done = project.pgflow("run", "letters", "--input", json.dumps("a bc def"), "--wait")
        assert json.loads(done.stdout) == 6
        (listed,) = project.json("runs")
        assert project.json("status", listed["run_id"])["status"] == "completed"
        project.pgflow("retry", listed["run_id"], "--from-step", "add")
        assert project.ended(listed["run_id"])["status"] == "completed"


def test_a_client_sees_and_cancels_its_own_runs_only(project, log_in, database, monkeypatch):
    log_in("pgflow_deployer")
    project.pgflow("deploy", "texts:letters")
    monkeypatch.setenv("PGFLOW_DSN", database)
    run_id = project.json("run", "letters", "--input", json.dumps("a"))["run_id"]
    log_in("pgflow_client")
    assert project.json("runs") == []
    own = project.json("run", "letters", "--input", json.dumps("a"))["run_id"]
    assert own in project.pgflow("status", own).stdout
    for command in ("cancel", "retry"):
        said = project.pgflow(command, run_id, code=1).stderr
        assert "belongs to another user" in said
        assert "pgflow_owner" in said
    log_in("pgflow_viewer")
    assert {run["run_id"] for run in project.json("runs")} == {own, run_id}


@pytest.mark.parametrize(
    ("role", "command", "needed"),
    [
        ("pgflow_client", ["deploy", "texts:letters"], "grant pgflow_deployer"),
        ("pgflow_deployer", ["run", "letters", "--input", '"a"'], "grant pgflow_client"),
        (None, ["runs"], "pgflow_viewer"),
    ],
)
def test_who_lacks_a_role_is_told_which(project, log_in, role, command, needed):
    log_in("pgflow_deployer")
    project.pgflow("deploy", "texts:letters")
    log_in(role)
    assert needed in project.pgflow(*command, code=1).stderr


def test_the_role_that_is_named_may_call_the_verb(pgflow_connection):
    for role, verbs in VERBS.items():
        for verb in verbs:
            (may,) = pgflow_connection.execute(
                """select bool_and(has_function_privilege(%s, oid, 'execute')) as may from pg_proc
                   where pronamespace = 'pgflow'::regnamespace and proname = %s""",
                [role, verb],
            )
            assert may["may"] is True, f"{role} may not call {verb}"
