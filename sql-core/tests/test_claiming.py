"""Which tasks a claim takes, in which order, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from .support.definitions import chain, map_step, step
from .support.engine import EPOCH, Engine, refused


def test_a_claim_in_mode_start_sets_the_task_running(engine: Engine) -> None:
    """Rule 19: attempt + 1, fresh token, worker, lease."""
    engine.define("f", step("a", timeout=200, max_attempts=4, executor_options={"gb": 2}, handler="m:f"))
    now = engine.at(0)
    run_id = engine.run("f", priority=4)
    task = engine.take("a", worker="w", lease=45)
    assert (task.run_id, task.flow_slug, task.flow_version) == (run_id, "f", 1)
    assert (task.step_type, task.task_index, task.attempt, task.handler) == ("single", 0, 1, "m:f")
    assert (task.executor_options, task.params) == ({"gb": 2}, None)
    assert (task.timeout_seconds, task.heartbeat_timeout_seconds) == (200, None)
    assert (task.max_attempts, task.failures, task.priority, task.external_id) == (4, 0, 4, None)
    assert task.lease_expires_at == now + timedelta(seconds=45)
    stored = engine.task(run_id, "a")
    assert (stored.status, stored.attempt, stored.worker_id) == ("running", 1, "w")
    assert stored.lease_expires_at == task.lease_expires_at
    assert stored.started_at == now


def test_a_claim_in_mode_launch_leaves_the_task_claimed(engine: Engine) -> None:
    """Rule 19: the lease is launch_timeout."""
    engine.define("f", step("a", launch_timeout=120))
    now = engine.at(0)
    run_id = engine.run("f")
    task = engine.take("a", mode="launch", lease=7)
    assert task.lease_expires_at == now + timedelta(seconds=120)
    assert engine.task(run_id, "a").status == "claimed"


def test_every_attempt_has_a_token_of_its_own(engine: Engine) -> None:
    """Rule 19: fresh, and stored hashed only."""
    engine.define("f", step("a"))
    engine.run_many("f", list(range(50)))
    tokens = {task.attempt_token for task in engine.claim(50)}
    assert len(tokens) == 50
    assert {token.version for token in tokens} == {4}
    columns = engine.rows(
        "select table_name, column_name from information_schema.columns where table_schema = 'pgflow'"
    )
    token = next(iter(tokens))
    for table, column in columns:
        found = engine.value(
            f"select count(*) from pgflow.{table} t where t.{column}::text ilike %s", f"%{token.hex}%"
        )
        assert found == 0, f"{table}.{column} holds a token"


def test_a_claim_never_takes_more_than_max_tasks(engine: Engine) -> None:
    """Rule 19: over single steps and map items, by priorities."""
    engine.define("f", step("a"), map_step("m", "run"))
    for priority in (5, 0, -5):
        engine.run("f", list(range(3)), priority=priority)
    assert [len(engine.claim(limit)) for limit in (1, 7, 100, 1)] == [1, 7, 4, 0]
    assert engine.value("select count(*) from pgflow.step_tasks where status = 'running'") == 12


def test_a_claim_of_nothing_takes_nothing(engine: Engine) -> None:
    """Rule 19: a dispatcher without capacity asks for none; less is no number of tasks."""
    engine.define("f", step("a"))
    engine.run("f")
    assert engine.claim(0) == []
    with refused("PF008", "max_tasks"):
        engine.claim(-1)
    assert len(engine.claim(1)) == 1


def test_a_claim_with_a_bad_argument_is_refused(engine: Engine) -> None:
    """Rule 19: PF008 naming it."""
    with refused("PF008", "mode"):
        engine.claim(1, mode="begin")
    with refused("PF008", "inputs"):
        engine.claim(1, inputs="some")
    for lease in (0, -1, float("nan"), float("inf")):
        with refused("PF008", "lease_seconds"):
            engine.claim(1, lease=lease)


def test_higher_priority_comes_first(engine: Engine) -> None:
    """Rule 20: of runs and of steps."""
    engine.define("f", step("a"))
    runs = {priority: engine.run("f", priority=priority) for priority in (0, 100, -100, 3, 50)}
    order = [engine.take().run_id for _ in runs]
    assert order == [runs[priority] for priority in (100, 50, 3, 0, -100)]


def test_a_steps_own_priority_counts_when_the_run_has_none(engine: Engine) -> None:
    """Rule 20: option priority; step over flow default."""
    engine.define("f", step("low"), step("high", priority=9), step("top", priority=10), priority=2)
    engine.define("g", step("between"), priority=5)
    engine.run("f")
    engine.run("g")
    tasks = [engine.take() for _ in range(4)]
    assert [task.step_slug for task in tasks] == ["top", "high", "between", "low"]
    assert [task.priority for task in tasks] == [10, 9, 5, 2]


def test_equal_priority_is_first_in_first_out(engine: Engine) -> None:
    """Rule 20: across transactions and within one."""
    engine.define("f", step("a"))
    started = [engine.run("f") for _ in range(10)]
    started += [row.run_id for row in engine.run_many("f", list(range(10)))]
    started += [engine.run("f") for _ in range(10)]
    order = [engine.take().run_id for _ in range(7)]
    claimed = engine.claim(100)
    assert order + [task.run_id for task in claimed] == started


def test_map_items_are_claimed_in_order(engine: Engine) -> None:
    """Rule 20: age within one map is its index."""
    engine.define("f", map_step("m", "run"))
    engine.run("f", list(range(40)))
    order = [task.task_index for _ in range(4) for task in engine.claim(10)]
    assert order == list(range(40))


def test_tasks_of_steps_and_items_of_maps_come_in_one_order(engine: Engine) -> None:
    """Rule 20: within one batch too, where the kinds alternate."""
    engine.define("single", step("a"))
    engine.define("mapped", map_step("m", "run"))
    expected = []
    for items in (0, 2, 1, 0, 0, 3, 0):
        run_id = engine.run("mapped", list(range(items))) if items else engine.run("single")
        expected += [(run_id, index) for index in range(items or 1)]
    assert [(task.run_id, task.task_index) for task in engine.claim(100)] == expected


def test_delayed_tasks_come_by_visible_at(engine: Engine) -> None:
    """Rule 20: the one that becomes visible first, whichever run is older."""
    engine.define("f", step("a"))
    engine.at(0)
    late = engine.run("f", start_at=EPOCH + timedelta(seconds=20))
    early = engine.run("f", start_at=EPOCH + timedelta(seconds=5))
    engine.at(10)
    engine.claim(0)
    between = engine.run("f")
    engine.at(30)
    assert [engine.take().run_id for _ in range(3)] == [early, between, late]


def test_a_delayed_task_takes_its_place_when_its_time_is_noticed(engine: Engine) -> None:
    """Rule 20, docs/adr/0002: with no claim in between it comes behind what was ready by then."""
    engine.define("f", step("a"))
    engine.at(0)
    delayed = engine.run("f", start_at=EPOCH + timedelta(seconds=5))
    engine.at(10)
    ready = engine.run("f")
    assert [engine.take().run_id for _ in range(2)] == [ready, delayed]


def test_a_retry_waits_its_turn(engine: Engine) -> None:
    """Rule 20: it is as old as its visible_at, not as its run."""
    engine.define("f", step("a", base_delay=5, jitter=0))
    engine.at(0)
    first = engine.run("f")
    assert engine.fail(engine.take()) == "retrying"
    engine.at(1)
    second = engine.run("f")
    engine.at(10)
    assert [engine.take().run_id for _ in range(2)] == [second, first]


def test_only_the_named_executor_gets_its_tasks(engine: Engine) -> None:
    """Rule 21: other executor."""
    engine.define("f", step("a"), step("b", executor="gpu"), map_step("m", "run", executor="gpu"))
    run_id = engine.run("f", [1, 2])
    assert {t.step_slug for t in engine.claim(10)} == {"a"}
    assert engine.claim(10, executor="nobody") == []
    assert [t.step_slug for t in engine.claim(10, executor="gpu")] == ["b", "m", "m"]
    assert {t.executor for t in engine.tasks(run_id)} == {"local", "gpu"}


@pytest.mark.parametrize("end", ["cancel", "fail", "complete"])
def test_a_run_that_is_not_running_gives_no_task(engine: Engine, end: str) -> None:
    """Rule 21: run not running."""
    engine.define("f", step("a", max_attempts=1), step("b", start_delay=5), step("c", "a"))
    engine.at(0)
    run_id = engine.run("f")
    task = engine.take("a")
    if end == "cancel":
        engine.cancel(run_id)
    elif end == "fail":
        engine.fail(task)
    else:
        engine.complete(task)
        engine.work_off()
        engine.wait(6)
        engine.work_off()
    assert engine.status(run_id) == {"cancel": "cancelled", "fail": "failed", "complete": "completed"}[end]
    engine.wait(3600)
    assert engine.claim(10) == []
    engine.maintain()
    assert engine.claim(10) == []


def test_a_claimed_task_is_in_nobody_elses_hands(engine: Engine, open_engine: Callable[[], Engine]) -> None:
    """Rule 24: while its lease lives, renewed by heartbeats, no other worker gets it."""
    engine.define("f", step("a", timeout=100_000))
    other = open_engine()
    engine.at(0)
    engine.run("f")
    task = engine.take(lease=30)
    for second in range(20, 2000, 20):
        engine.at(second)
        other.at(second)
        assert engine.heartbeat(task) == ["ok"]
        other.maintain()
        assert other.claim(10, worker="other") == []
    assert engine.complete(task) == "completed"


def test_a_claim_takes_no_step_before_its_dependencies(engine: Engine) -> None:
    """Rule 21: pending steps have no task."""
    engine.define("f", *chain("a", "b", "c"))
    run_id = engine.run("f")
    for slug in "abc":
        (task,) = engine.claim(10)
        assert task.step_slug == slug
        assert engine.complete(task) == "completed"
    assert engine.status(run_id) == "completed"
