"""Runs belong to who started them, and tasks to who holds their token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from .support.definitions import step
from .support.engine import Engine, key, refused

RUN_VERBS = {
    "cancel_run": "select pgflow.cancel_run(%s)",
    "retry_run": "select pgflow.retry_run(%s)",
    "pause_run": "select pgflow.pause_run(%s)",
    "resume_run": "select pgflow.resume_run(%s)",
    "start_step": "select pgflow.start_step(%s, 'cart')",
    "get_run": "select pgflow.get_run(%s)",
}
STORED = (
    "select to_jsonb(r) as run, to_jsonb(s) as step from pgflow.runs r join pgflow.run_steps s using (run_id)"
)
VIEWS = ["runs", "step_states", "step_tasks", "step_task_attempts", "task_attempts", "task_logs"]


@contextmanager
def user(engine: Engine, subject: str) -> Iterator[None]:
    """Speak for a user as PostgREST does: by the claims of a token."""
    engine.rows(
        "select set_config('request.jwt.claims', json_build_object('sub', %s::text)::text, false)", subject
    )
    yield
    engine.rows("reset request.jwt.claims")


@pytest.fixture
def shop(engine: Engine) -> Engine:
    engine.define("shop", step("cart"))
    return engine


@pytest.mark.parametrize("verb", RUN_VERBS)
def test_a_run_of_another_user_is_not_yours(shop: Engine, verb: str) -> None:
    with user(shop, "alice"):
        run_id = shop.run("shop")
    before = shop.rows(STORED)
    with user(shop, "bob"), refused("PF006", str(run_id), '"bob"', "pgflow_owner") as caught:
        shop.rows(RUN_VERBS[verb], run_id, role="pgflow_client")
    assert shop.rows(STORED) == before
    assert "alice" not in str(caught.value)


@pytest.mark.parametrize("verb", RUN_VERBS)
def test_who_owns_the_run_or_is_an_operator_may(shop: Engine, verb: str) -> None:
    for role in ("pgflow_client", "pgflow_owner"):
        with user(shop, "alice"):
            run_id = shop.run("shop")
            if verb == "retry_run":
                shop.cancel(run_id)
        with user(shop, "alice" if role == "pgflow_client" else "operator"):
            assert shop.value(RUN_VERBS[verb], run_id, role=role) is not None


@pytest.mark.parametrize("verb", RUN_VERBS)
def test_a_run_that_is_not_there_is_said_to_be_missing(shop: Engine, verb: str) -> None:
    with refused("PF003", "no run"):
        shop.rows(RUN_VERBS[verb], uuid4(), role="pgflow_client")


def test_viewers_and_dispatchers_may_look_only(shop: Engine) -> None:
    with user(shop, "alice"):
        run_id = shop.run("shop")
    for role in ("pgflow_viewer", "pgflow_dispatcher"):
        assert shop.value("select pgflow.get_run(%s)", run_id, role=role)["owner"] == "alice"
        with refused("42501", "cancel_run"):
            shop.rows("select pgflow.cancel_run(%s)", run_id, role=role)


def test_a_taken_run_id_tells_nothing_of_the_run(shop: Engine) -> None:
    with user(shop, "alice"):
        run_id = shop.run("shop", {"secret": 1})
    for value in ({"secret": 1}, {}):
        with user(shop, "bob"), refused("PF006", str(run_id)) as caught:
            shop.start("shop", value, run_id=run_id)
        assert "version" not in str(caught.value)


def test_a_taken_idempotency_key_tells_nothing_of_the_run(shop: Engine) -> None:
    with user(shop, "alice"):
        run_id = shop.run("shop", idempotency_key="k")
        assert shop.run("shop", idempotency_key="k") == run_id
    with user(shop, "bob"):
        with refused("PF006", '"k"', '"shop"') as caught:
            shop.run("shop", idempotency_key="k")
        assert str(run_id) not in str(caught.value)
        with refused("PF006", '"k"') as caught:
            shop.run_many("shop", [{}, {}], idempotency_keys=["new", "k"])
        assert str(run_id) not in str(caught.value)
    assert shop.value("select count(*) from pgflow.runs") == 1


@pytest.mark.parametrize("view", VIEWS)
def test_a_client_reads_its_own_runs_only(shop: Engine, view: str) -> None:
    ids = {}
    shop.at(0)
    for name in ("alice", "bob"):
        with user(shop, name):
            ids[name] = shop.run("shop")
        shop.fail(shop.take())
        shop.wait(100)
        shop.report([report_with_log(shop.take())])
    query = f"select distinct run_id from pgflow.{view}"
    with user(shop, "alice"):
        assert [row.run_id for row in shop.rows(query, role="pgflow_client")] == [ids["alice"]]
    for role in ("pgflow_viewer", "pgflow_dispatcher", "pgflow_owner"):
        assert {row.run_id for row in shop.rows(query, role=role)} == set(ids.values())


def report_with_log(task: Any) -> dict[str, Any]:
    run_id, step_slug, task_index, token = key(task)
    return {
        "run_id": str(run_id),
        "step_slug": step_slug,
        "task_index": task_index,
        "attempt_token": str(token),
        "outcome": "complete",
        "output": 1,
        "log_tail": "hello",
    }


def test_a_leaky_function_of_a_client_sees_no_row_of_others(shop: Engine) -> None:
    """Row level security is a barrier: a cheap function in the query runs on rows that passed it."""
    with user(shop, "alice"):
        shop.run("shop", {"secret": "of alice"})
    shop.rows(
        """create function public.leak(value jsonb) returns boolean language plpgsql cost 0.0001
           as $$ begin if value::text like '%%alice%%' then raise 'seen'; end if; return true; end $$"""
    )
    with user(shop, "bob"):
        assert shop.rows("select * from pgflow.runs where public.leak(input)", role="pgflow_client") == []


def test_a_worker_cannot_report_the_task_of_another(shop: Engine) -> None:
    shop.run("shop")
    shop.run("shop")
    mine, other = shop.claim(2)
    forged = other._replace(attempt_token=mine.attempt_token)
    assert shop.complete(forged, "forged") == "stale"
    assert shop.fail(forged) == "stale"
    assert shop.heartbeat(forged) == ["stale"]
    assert shop.release(forged) == ["stale"]
    assert shop.begin(forged).status == "stale"
    assert shop.task(other.run_id, "cart").status == "running"
    assert shop.complete(other, "real") == "completed"


@pytest.mark.parametrize("claims", ["{", "5", '"alice"', "[]", "null", "\\x00"])
def test_malformed_claims_are_refused(shop: Engine, claims: str) -> None:
    shop.run("shop")
    shop.rows("select set_config('request.jwt.claims', %s, false)", claims)
    with refused("PF008", "request.jwt.claims", "JSON object"):
        shop.run("shop")
    with refused("PF008", "request.jwt.claims"):
        shop.rows("select * from pgflow.runs", role="pgflow_client")


@pytest.mark.parametrize("claims", ["", "{}", '{"role": "anon"}', '{"sub": null}', '{"sub": ""}'])
def test_claims_without_a_subject_count_as_none(shop: Engine, claims: str) -> None:
    shop.rows("select set_config('request.jwt.claims', %s, false)", claims)
    run_id = shop.run("shop")
    assert shop.stored_run(run_id).owner == shop.value("select session_user::text")


def test_a_login_cannot_claim_to_be_somebody_else(shop: Engine, log_in: Callable[..., Engine]) -> None:
    with user(shop, "alice"):
        run_id = shop.run("shop")
    mallory = log_in("", "pgflow_client")
    with user(mallory, "alice"):
        for query in (
            RUN_VERBS["get_run"],
            RUN_VERBS["cancel_run"],
            "select * from pgflow.runs where run_id = %s",
        ):
            with refused("PF006", "may not speak for", "alter role", "noinherit"):
                mallory.rows(query, run_id, role="pgflow_client")
    assert mallory.rows("select * from pgflow.runs", role="pgflow_client") == []
    own = mallory.run("shop")
    assert [row.run_id for row in mallory.rows("select * from pgflow.runs", role="pgflow_client")] == [own]


def test_a_login_that_passes_users_in_speaks_for_them(shop: Engine, log_in: Callable[..., Engine]) -> None:
    """As PostgREST: a login without rights of its own, `set local role` and the claims of the request."""
    authenticator = log_in("noinherit", "pgflow_client", "pgflow_owner")
    with user(authenticator, "alice"):
        run_id = authenticator.value("select run_id from pgflow.run_flow('shop')", role="pgflow_client")
    assert shop.stored_run(run_id).owner == "alice"
    with user(authenticator, "bob"):
        with refused("PF006"):
            authenticator.rows("select pgflow.cancel_run(%s)", run_id, role="pgflow_client")
        assert authenticator.rows("select * from pgflow.runs", role="pgflow_client") == []
        assert authenticator.value("select pgflow.cancel_run(%s)", run_id, role="pgflow_owner") == "cancelled"


def test_a_member_of_the_owners_acts_on_every_run(shop: Engine, log_in: Callable[..., Engine]) -> None:
    with user(shop, "alice"):
        run_id = shop.run("shop")
    operator = log_in("", "pgflow_owner")
    assert operator.value("select pgflow.cancel_run(%s)", run_id, role="none") == "cancelled"
    assert operator.value("select owner from pgflow.runs where run_id = %s", run_id) == "alice"


def test_a_superuser_who_sets_a_role_has_that_role(shop: Engine) -> None:
    with user(shop, "alice"):
        run_id = shop.run("shop")
    assert shop.value("select pgflow.get_run(%s)", run_id, role="none")["owner"] == "alice"
    with refused("PF006"):
        shop.rows("select pgflow.get_run(%s)", run_id, role="pgflow_client")


def test_a_verb_works_where_the_roles_do_not_exist(shop: Engine) -> None:
    """Who owns the schema needs none of them; the test pretends by asking for roles of another name."""
    names = ["nobody_has_this_role"]
    mine = shop.value("select session_user::text")
    assert shop.value("select pgflow._has_role(%s, %s)", mine, names) is True
    assert shop.value("select pgflow._has_role('pgflow_client', %s)", names) is False
