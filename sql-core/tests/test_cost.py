"""What a claim and a report read, counted by PostgreSQL itself: plans, not clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from .support.definitions import chain, map_step, step
from .support.engine import EPOCH, Engine, complete_report
from .support.sessions import until

# Rows fetched and tuples scanned in this transaction, TOAST chunks included.
_READS = """select coalesce(sum(seq_tup_read), 0)::int + coalesce(sum(idx_tup_fetch), 0)::int
            from pg_stat_xact_all_tables t
            where schemaname = 'pgflow'
               or relid in (select reltoastrelid from pg_class where relnamespace = 'pgflow'::regnamespace)"""


def reads(engine: Engine, call: Callable[[], Any]) -> int:
    """Return how many rows a call read."""
    with engine.transaction():
        before: int = engine.value(_READS)
        call()
        return int(engine.value(_READS)) - before


def settle(engine: Engine) -> None:
    """Let dead rows go, as autovacuum would, so that only live ones are counted."""
    engine.rows("vacuum analyze")


def cost_of_a_claim(engine: Engine, count: int = 10) -> int:
    """Return what a claim of `count` tasks reads; it is undone."""
    with engine.connection.transaction(force_rollback=True):
        before: int = engine.value(_READS)
        assert len(engine.claim(count)) == count
        return int(engine.value(_READS)) - before


def test_the_cost_of_a_claim_does_not_grow_with_the_map(engine: Engine) -> None:
    """Rule 23: flat from 100 to 20,000 items of 500 bytes."""
    engine.define("f", map_step("m", "run"), step("a"), map_step("n", "a"))
    costs = []
    for count in (100, 20_000):
        engine.run("f", [f"{i:0>500}" for i in range(count)])
        settle(engine)
        costs.append(cost_of_a_claim(engine))
        if count == 100:
            engine.work_off({"a": []})
    assert costs[1] <= costs[0] * 1.2 + 20


def test_a_map_over_a_step_claims_as_cheaply(engine: Engine) -> None:
    """Rule 23: the source's array is not read again for each claim."""
    engine.define("f", step("a"), map_step("n", "a"))
    costs = []
    for count in (100, 5_000):
        engine.run("f")
        engine.complete(engine.take("a"), [f"{i:0>500}" for i in range(count)])
        settle(engine)
        costs.append(cost_of_a_claim(engine))
        if count == 100:
            engine.work_off()
    assert costs[1] <= costs[0] * 1.2 + 20


def test_a_claim_reads_no_live_lease_no_history_no_parked_task(engine: Engine) -> None:
    """Rules 25 and 26: running, ended, delayed and paused tasks do not slow it, whatever their priority."""
    engine.define("f", step("a", timeout=100_000))
    engine.at(0)
    engine.run_many("f", list(range(10)))
    settle(engine)
    alone = cost_of_a_claim(engine)
    engine.work_off()

    engine.run_many("f", list(range(2000)))
    engine.work_off()
    engine.run_many("f", list(range(2000)), priority=50)
    assert len([t for _ in range(4) for t in engine.claim(500, lease=50_000)]) == 2000
    engine.run_many("f", list(range(2000)), priority=100, start_at=EPOCH + timedelta(days=1))
    engine.run_many("f", list(range(2000)), start_at=EPOCH + timedelta(days=1))
    for row in engine.run_many("f", list(range(300)), priority=100):
        engine.rows("select pgflow.pause_run(%s)", row.run_id)
    engine.run_many("f", list(range(10)))
    engine.claim(0)
    settle(engine)
    assert cost_of_a_claim(engine) <= alone * 1.5 + 30


def await_older_transactions(engine: Engine) -> None:
    """Wait until every transaction is over that began before the entries: it may still add some before them.

    Those of other databases count too, and the tests beside this one share its server.
    """
    over = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint > max(xid) from pgflow.ready_tasks"
    until(lambda: engine.value(over))


def test_a_claim_does_not_walk_over_what_was_claimed_before(
    engine: Engine, open_engine: Callable[[], Engine]
) -> None:
    """P11: not even in one map, whose entries come from one transaction, while a snapshot keeps the dead."""
    walked = "select pg_stat_get_xact_tuples_returned('pgflow.ready_tasks_pkey'::regclass)"
    engine.define("f", map_step("m", "run"))
    holder = open_engine()
    with holder.transaction():
        holder.rows("set transaction isolation level repeatable read")
        holder.rows("select 1")
        engine.run("f", list(range(6000)))
        await_older_transactions(engine)
        for _ in range(55):
            assert len(engine.claim(100)) == 100
        with engine.transaction():
            before = engine.value(walked)
            assert len(engine.claim(100)) == 100
            assert engine.value(walked) - before < 4000


def test_an_idle_claim_reads_next_to_nothing(engine: Engine) -> None:
    """Rule 25: with thousands of leases alive and ended tasks stored."""
    engine.define("f", step("a", timeout=100_000))
    engine.at(0)
    engine.run_many("f", list(range(3000)))
    engine.work_off()
    engine.run_many("f", list(range(3000)))
    while engine.claim(500, lease=50_000):
        pass
    settle(engine)
    assert engine.claim(10) == []
    assert reads(engine, lambda: engine.claim(10)) < 60


def test_expired_leases_are_found_without_reading_live_or_ended_tasks(engine: Engine) -> None:
    """Rule 25: a handful of losses among thousands costs a handful."""
    engine.define("f", step("a", timeout=100_000))
    engine.at(0)
    engine.run_many("f", list(range(3000)))
    engine.work_off()
    engine.at(100)
    engine.maintain(5)  # looks once at each batch that was claimed
    engine.run_many("f", list(range(3000)))
    assert len(engine.claim(10, lease=10)) == 10
    while engine.claim(500, lease=50_000):
        pass
    settle(engine)
    engine.at(200)
    found: list[Any] = []
    cost = reads(engine, lambda: (engine.maintain(), found.extend(engine.rows(
        "select run_id from pgflow.step_task_attempts where outcome = 'lost'"))))  # fmt: skip
    assert len(found) == 10
    assert cost < 500


def cost_of_completions(engine: Engine, tasks: list[Any]) -> int:
    return reads(engine, lambda: engine.report(complete_report(task) for task in tasks))


@pytest.mark.slow
def test_a_chain_of_a_thousand_steps_costs_the_same_at_every_step(engine: Engine) -> None:
    """Rule 38: per-step cost does not grow with the run's size, nor with how far it is."""
    costs: dict[int, list[int]] = {}
    for length in (30, 1000):
        slug = f"f{length}"
        engine.define(slug, *chain(*(f"s{i}" for i in range(length))))
        run_id = engine.run(slug)
        settle(engine)
        costs[length] = []
        (task,) = engine.claim(1)
        for done in range(1, length):
            if done < 30 or done > length - 30:
                costs[length].append(cost_of_completions(engine, [task]))
                (task,) = engine.claim(1)
            else:
                rows = engine.exchange([complete_report(task)], 1)
                (task,) = (row for row in rows if row.kind == "task")
        engine.complete(task)
        assert engine.status(run_id) == "completed"
    assert max(costs[1000]) <= max(costs[30]) * 2 + 20


def test_a_layer_of_a_thousand_steps_costs_the_same_for_every_step(engine: Engine) -> None:
    """Rule 38: one report in a wide run reads its own step, not the run's."""
    costs = {}
    for width in (20, 1000):
        names = [f"s{i}" for i in range(width)]
        engine.define(f"w{width}", step("first"), *(step(n, "first") for n in names), step("last", *names))
        engine.run(f"w{width}")
        engine.complete(engine.take("first"))
        tasks = [task for _ in range(2) for task in engine.claim(500)]
        assert len(tasks) == width
        settle(engine)
        costs[width] = max(cost_of_completions(engine, [task]) for task in tasks[:19])
        for first in range(19, width - 1, 490):
            engine.report(complete_report(task) for task in tasks[first : min(first + 490, width - 1)])
        assert cost_of_completions(engine, tasks[-1:]) < 20 * width + 500  # its own plans are made here
        engine.complete(engine.take("last"))
    assert costs[1000] <= costs[20] * 2 + 20
