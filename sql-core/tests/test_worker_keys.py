"""Keys of workers that pull: what they open, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from .support.definitions import map_step, step
from .support.engine import EPOCH, Engine, refused
from .test_cost import reads, settle

LISTED = "key_id, name, executors, flows, created_at, created_by, expires_at, revoked_at, last_used_at"


def create(engine: Engine, *executors: str, **options: Any) -> Any:
    """Return key_id and key."""
    given = {"name": "edge", "executors": list(executors or ("local",)), **options}
    names = ", ".join(f"{name} => %s" for name in given)
    return engine.row(f"select * from pgflow.create_worker_key({names})", *given.values())


def claim(engine: Engine, key: str, max_tasks: int = 10, executor: str = "local", **rest: Any) -> list[Any]:
    """Claim with the rights of a worker."""
    given = {"key": key, "executor": executor, "worker_id": "w", "max_tasks": max_tasks, **rest}
    names = ", ".join(f"{name} => %s" for name in given)
    return engine.rows(f"select * from pgflow.claim_with_key({names})", *given.values())


def stored(engine: Engine) -> Any:
    return engine.row(f"select {LISTED} from pgflow.worker_keys")


def test_a_key_claims_what_the_claim_of_a_dispatcher_would(engine: Engine) -> None:
    """Rule 91: for the executors it names."""
    engine.define("f", step("a"), step("g", executor="gpu"))
    made = create(engine, "local", "other")
    run_id = engine.run("f", {"n": 1})
    (task,) = claim(engine, made.key)
    assert (task.run_id, task.step_slug, task.attempt) == (run_id, "a", 1)
    assert engine.complete(task, 7) == "completed"
    with refused("PF006", "edge", "gpu"):
        claim(engine, made.key, executor="gpu")
    assert engine.step(run_id, "g").status == "running"


def test_a_key_for_some_flows_takes_no_task_of_another(engine: Engine) -> None:
    """Rule 91: and of the flows it names, of whichever version, whatever waits before them."""
    engine.define("mine", step("a"))
    engine.define("theirs", step("a"), map_step("m", "run"))
    made = create(engine, flows=["mine", "absent"])
    engine.run("theirs", [1, 2, 3], priority=5)
    first = engine.run("mine")
    engine.define("mine", step("a"), step("b", "a"))
    second = engine.run("mine")
    tasks = claim(engine, made.key)
    assert [task.run_id for task in tasks] == [first, second]
    assert claim(engine, made.key) == []
    assert len(engine.claim(10)) == 4
    assert [engine.complete(task) for task in tasks] == ["completed", "completed"]
    assert [task.step_slug for task in claim(engine, made.key)] == ["b"]


def test_a_key_is_stored_as_a_hash_only(engine: Engine) -> None:
    """Rule 92: shown once."""
    first, second = create(engine), create(engine)
    assert first.key != second.key
    rows = engine.rows("select k::text as text from pgflow.worker_keys k")
    assert len(rows) == 2
    assert not any(
        made.key in row.text or made.key[-64:] in row.text for row in rows for made in (first, second)
    )


@pytest.mark.parametrize("wrong", ["", "pgflow_key_", "pgflow_key_" + "0" * 64, "é", None])
def test_a_wrong_key_opens_nothing(engine: Engine, wrong: str) -> None:
    """Rule 92: nor does its hash."""
    create(engine)
    engine.define("f", step("a"))
    run_id = engine.run("f")
    for given in (wrong, engine.value("select encode(token_hash, 'hex') from pgflow.worker_keys")):
        with refused("PF009", "unknown, was revoked, or has expired"):
            claim(engine, given)
    assert engine.task(run_id, "a").status == "queued"


def test_an_expired_and_a_revoked_key_open_nothing_but_what_they_claimed_goes_on(engine: Engine) -> None:
    """Rule 92: at once."""
    engine.at(0)
    engine.define("f", step("a"))
    engine.run_many("f", [{}] * 4)
    short, long = create(engine, expires_at=EPOCH + timedelta(seconds=60)), create(engine)
    engine.at(59)
    (kept,) = claim(engine, short.key, 1)
    engine.at(60)
    with refused("PF009"):
        claim(engine, short.key)
    (other,) = claim(engine, long.key, 1)
    revoke = "select pgflow.revoke_worker_key(%s)"
    assert engine.value(revoke, long.key_id) == "revoked"
    assert engine.value(revoke, long.key_id) == "already_revoked"
    with refused("PF009"):
        claim(engine, long.key)
    assert [engine.complete(kept), engine.complete(other)] == ["completed", "completed"]
    with refused("PF003", "no worker key"):
        engine.value(revoke, "00000000-0000-0000-0000-000000000000")


def test_the_last_use_is_known_to_the_minute_without_a_write_a_call(engine: Engine) -> None:
    engine.at(0)
    made = create(engine)
    version = "select ctid::text from pgflow.worker_keys"
    assert stored(engine).last_used_at is None
    engine.at(10)
    claim(engine, made.key)
    before = engine.value(version)
    engine.at(69)
    claim(engine, made.key)
    assert (engine.value(version), stored(engine).last_used_at) == (before, EPOCH + timedelta(seconds=10))
    engine.at(70)
    claim(engine, made.key)
    assert stored(engine).last_used_at == EPOCH + timedelta(seconds=70)


def test_workers_that_share_a_key_do_not_wait_for_each_other(
    engine: Engine, open_engine: Callable[[], Engine]
) -> None:
    made = create(engine)
    engine.define("f", step("a"))
    engine.run_many("f", [{}, {}])
    other = open_engine()
    with engine.transaction():
        assert len(claim(engine, made.key, 1)) == 1
        other.rows("set lock_timeout to '20s'")
        assert len(claim(other, made.key, 1)) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": ""}, "name must be given"),
        ({"executors": []}, "at least one"),
        ({"executors": [None]}, "empty name"),
        ({"executors": [""]}, "empty name"),
        ({"flows": []}, "or be null"),
        ({"flows": [None]}, "empty name"),
        ({"expires_at": EPOCH}, "in the future"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(engine: Engine, options: dict[str, Any], said: str) -> None:
    engine.at(0)
    with refused("PF008", said):
        create(engine, **options)


def test_a_claim_for_some_flows_walks_past_the_line_once(engine: Engine) -> None:
    """Rule 91: with N tasks of others before its own it reads about N entries more."""
    engine.define("mine", step("a"))
    engine.define("theirs", step("a"))
    made = create(engine, flows=["mine"])
    engine.run("mine")
    settle(engine)
    alone = cost(engine, made.key)
    engine.run_many("theirs", [{}] * 300)
    engine.run("mine")
    assert len(claim(engine, made.key, 1)) == 1
    settle(engine)
    assert cost(engine, made.key) < alone + 2 * 300


def cost(engine: Engine, key: str) -> int:
    """Return how many rows a claim of one task reads; it is undone."""
    with engine.transaction(force_rollback=True):
        return reads(engine, lambda: claim(engine, key, 1))
