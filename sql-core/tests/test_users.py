"""Users of an application (`pgflow_user`): their own runs, and the flows open to them, are all there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from .support.definitions import step
from .support.engine import Engine, refused

RUN_VERBS = {
    "get_run": "select pgflow.get_run(%s)",
    "get_progress": "select pgflow.get_progress(%s)",
    "cancel_run": "select pgflow.cancel_run(%s)",
    "retry_run": "select pgflow.retry_run(%s)",
}
LogIn = Callable[..., Engine]


class Gate:
    """A login that passes users in, as PostgREST's does: no rights of its own; a role and claims a call."""

    def __init__(self, session: Engine) -> None:
        self.session = session

    def rows(self, subject: str | None, query: str, *params: Any, role: str = "pgflow_user") -> list[Any]:
        claims = f'{{"role": "{role}"}}' if subject is None else f'{{"role": "{role}", "sub": "{subject}"}}'
        with self.session.transaction():
            self.session.rows("select set_config('request.jwt.claims', %s, true)", claims)
            return self.session.rows(query, *params, role=role)

    def start(
        self, subject: str | None, slug: str = "shop", *, role: str = "pgflow_user", **more: Any
    ) -> Any:
        names = "".join(f", {name} => %s" for name in more)
        query = f"select * from pgflow.start_flow(%s{names})"
        (row,) = self.rows(subject, query, slug, *more.values(), role=role)
        return row


@pytest.fixture
def gate(engine: Engine, log_in: LogIn) -> Gate:
    """Where a flow is open to users and another is not."""
    for slug in ("shop", "payroll"):
        engine.define(slug, step("cart"))
    assert engine.value("select pgflow.open_flow('shop')") is True
    assert engine.value("select pgflow.open_flow('shop')") is False
    return Gate(log_in("noinherit", "pgflow_user", "pgflow_client", "pgflow_owner"))


def test_a_user_starts_an_open_flow_and_owns_the_run(engine: Engine, gate: Gate) -> None:
    started = gate.start("ada", input='{"n": 1}', tags='{"from": "web"}')
    run = engine.stored_run(started.run_id)
    assert (started.status, started.created, run.owner, run.input, run.tags) == (
        *("running", True, "ada"),
        *({"n": 1}, {"from": "web"}),
    )
    assert gate.rows("ada", RUN_VERBS["get_run"], started.run_id)[0][0]["owner"] == "ada"


def test_a_flow_that_is_closed_is_not_there(engine: Engine, gate: Gate) -> None:
    """Rule 96: a closed flow is not there, before and after it was open."""
    said = []
    for slug in ("payroll", "nothing"):
        with refused("PF002", slug) as caught:
            gate.start("ada", slug)
        said.append(str(caught.value).replace(slug, "?"))
    assert said[0] == said[1]
    assert engine.value("select pgflow.close_flow('shop')") is True
    assert engine.value("select pgflow.close_flow('shop')") is False
    with refused("PF002", "shop"):
        gate.start("ada")
    assert engine.value("select count(*) from pgflow.runs") == 0


def test_a_flow_is_open_to_the_role_that_was_named(engine: Engine, gate: Gate, log_in: LogIn) -> None:
    """A login of one's own with pgflow_user is a user, too, known by its name."""
    staff = log_in("", "pgflow_user")
    name = staff.value("select session_user::text")
    with refused("PF002"):
        staff.rows("select pgflow.start_flow('payroll')", role="none")
    engine.rows("select pgflow.open_flow('payroll', %s)", name)
    run_id = staff.value("select run_id from pgflow.start_flow('payroll')", role="none")
    assert engine.stored_run(run_id).owner == name
    with refused("PF002"):
        gate.start("ada", "payroll")


def test_a_flow_opens_before_it_is_deployed_and_closes_when_deleted(engine: Engine, gate: Gate) -> None:
    engine.rows("select pgflow.open_flow('later')")
    with refused("PF002", "later"):
        gate.start("ada", "later")
    engine.define("later", step("a"))
    assert gate.start("ada", "later").created
    engine.rows("select pgflow.delete_flow('later', true)")
    engine.define("later", step("a"))
    with refused("PF002", "later"):
        gate.start("ada", "later")


def test_only_sound_names_are_opened(engine: Engine) -> None:
    with refused("PF008", "no role", "nobody_at_all"):
        engine.rows("select pgflow.open_flow('shop', 'nobody_at_all')")
    with refused("PF008", "no role"):
        engine.rows("select pgflow.open_flow('shop', null)")
    for slug in ("no slug", None):
        with refused("PF001", "not a slug"):
            engine.rows("select pgflow.open_flow(%s)", slug)


@pytest.mark.parametrize("verb", RUN_VERBS)
def test_a_run_of_another_is_as_one_that_is_not_there(engine: Engine, gate: Gate, verb: str) -> None:
    """Rule 95: message, detail, hint and context are the same."""
    foreign, unknown = gate.start("ada").run_id, uuid4()
    said = []
    for run_id in (foreign, unknown):
        with refused("PF003", "no run") as caught:
            gate.rows("eve", RUN_VERBS[verb], run_id)
        diag = caught.value.diag
        told = (diag.message_primary, diag.message_detail, diag.message_hint, diag.context)
        said.append(str(told).replace(str(run_id), "?"))
    assert said[0] == said[1]
    assert engine.status(foreign) == "running"


@pytest.mark.parametrize("verb", RUN_VERBS)
def test_a_user_may_what_concerns_his_own_run(engine: Engine, gate: Gate, verb: str) -> None:
    run_id = gate.start("ada").run_id
    if verb == "retry_run":
        gate.rows("ada", RUN_VERBS["cancel_run"], run_id)
    assert gate.rows("ada", RUN_VERBS[verb], run_id)[0][0] is not None


def test_users_keep_their_idempotency_keys_apart(engine: Engine, gate: Gate) -> None:
    """Rule 97: and apart from those of services."""
    first = gate.start("ada", idempotency_key="order-1")
    again = gate.start("ada", idempotency_key="order-1")
    other = gate.start("eve", idempotency_key="order-1")
    assert (again.run_id, again.created) == (first.run_id, False)
    assert (other.run_id != first.run_id, other.created) == (True, True)
    of_the_service = gate.start(None, idempotency_key="order-1", role="pgflow_client")
    assert of_the_service.created
    assert (
        engine.run("shop", idempotency_key="order-2") != gate.start("ada", idempotency_key="order-2").run_id
    )


def test_no_key_can_be_made_to_look_like_that_of_another(gate: Gate) -> None:
    """Names that hold the marks which part them from the key."""
    ids = {
        gate.start(subject, idempotency_key=key).run_id
        for subject, key in [("a", "b/c"), ("a/b", "c"), ("a", 'b", "c'), ('a\\", \\"b', "c")]
    }
    assert len(ids) == 4


def test_lists_of_a_user_tell_nothing_of_other_runs(engine: Engine, gate: Gate) -> None:
    """Rule 98: page by page, with a limit on what is looked at."""
    mine = [gate.start("eve").run_id for _ in range(3)]
    for _ in range(20):
        gate.start("ada")
    seen: list[UUID] = []
    before = None
    while True:
        query = "select pgflow.list_runs(max_scanned => 2, before => %s)"
        page = gate.rows("eve", query, before)[0][0]
        seen += [UUID(run["run_id"]) for run in page["runs"]]
        before = page["next"]
        if before is None:
            break
        assert UUID(before) in mine
    assert seen == sorted(mine, reverse=True)
    assert gate.rows("eve", "select pgflow.list_runs(owner => 'ada')")[0][0] == {"runs": [], "next": None}
    assert gate.rows("mallory", "select pgflow.list_runs(max_scanned => 1)")[0][0]["next"] is None
    assert gate.rows("eve", "select count(*) from pgflow.runs")[0][0] == 3


def test_a_list_of_a_user_follows_the_index_that_supabase_init_adds(engine: Engine, gate: Gate) -> None:
    gate.start("eve")
    engine.run_many("shop", [0] * 2000)
    engine.rows("create index runs_by_owner on pgflow.runs (owner, run_id)")
    engine.rows("vacuum analyze pgflow.runs")
    read = "select idx_tup_fetch::int from pg_stat_xact_user_tables where relname = 'runs'"
    with gate.session.transaction():
        gate.rows("eve", "select pgflow.list_runs()")
        assert gate.session.value(read) <= 20


@pytest.mark.parametrize(
    "query",
    [
        "select pgflow.run_flow('shop')",
        "select pgflow.run_flows('shop', '{}')",
        "select * from pgflow.run_steps",
        "select * from pgflow.step_tasks",
        "select * from pgflow.task_logs",
        "select * from pgflow.step_task_attempts",
        "select * from pgflow.flows",
        "select * from pgflow.steps",
        "select * from pgflow.open_flows",
        "select pgflow.open_flow('payroll')",
        "select pgflow.backlog()",
    ],
)
def test_the_rest_is_not_for_users(gate: Gate, query: str) -> None:
    with refused("42501"):
        gate.rows("eve", query)


def test_a_role_without_a_subject_is_an_owner_of_its_own(engine: Engine, gate: Gate) -> None:
    """Not the login: who comes without a name would else meet what a service's key started."""
    service = gate.start(None, role="pgflow_owner").run_id
    nameless = gate.start(None).run_id
    assert engine.stored_run(service).owner == "pgflow_owner"
    assert engine.stored_run(nameless).owner == "pgflow_user"
    assert gate.rows(None, "select run_id from pgflow.runs") == [(nameless,)]
    with refused("PF003"):
        gate.rows(None, RUN_VERBS["get_run"], service)


def test_who_is_no_user_starts_any_flow(engine: Engine, gate: Gate) -> None:
    for role in ("pgflow_client", "pgflow_owner"):
        started = gate.start("ada", "payroll", role=role, idempotency_key=role)
        assert engine.stored_run(started.run_id).idempotency_key == role
