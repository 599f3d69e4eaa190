"""The database goes away for longer than a lease, or answers slowly, in the middle of much work."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

import psycopg
import pytest
from chaoskit.server import Server
from pgflow import Client
from pgflow.dispatcher.links import Database
from trial import single
from trial_executors import Here, complete

PATIENCE = 600.0


def outcomes(dsn: str) -> dict[str, int]:
    """Count the attempts that did not complete their task."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return dict(
            connection.execute(
                "select outcome, count(*) from pgflow.step_task_attempts group by 1"
            ).fetchall()
        )


def left(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        ((number,),) = connection.execute(
            "select count(*) from pgflow.runs where status = 'running'"
        ).fetchall()
    return number


async def test_a_third_of_a_lease_of_silence_ends_a_connection(pgflow_database):
    """What comes back later than the grace that the first to reconnect asks for finds its tasks lost."""
    for lease, seconds in [(3, 2), (18, 6), (30, 10), (3600, 10)]:
        database = Database(pgflow_database, worker_id="w", lease=lease, logger=logging.getLogger())
        async with await database.connect() as connection:
            used = connection.info.get_parameters()
        assert (used["connect_timeout"], used["tcp_user_timeout"]) == (str(seconds), str(1000 * seconds))


@pytest.mark.slow
def test_an_outage_longer_than_a_lease_loses_nothing_and_robs_no_dispatcher(
    pgflow_database, proxy, proxied, processes, eventually
):
    """What may be lost is a claim that the cut kept from its dispatcher: nobody runs that."""
    lease, tasks = 20.0, 1500
    with Client(pgflow_database) as client:
        client.deploy(single)
        client.start_many(single, list(range(tasks)))
        both = [processes(proxied, lease=lease) for _ in range(2)]
        eventually(lambda: left(pgflow_database) < tasks - 50)
        proxy.cut()
        client.start_many(single, list(range(500)))
        back = time.monotonic() + 1.5 * lease
        eventually(lambda: all(each.said("database lost") for each in both))
        eventually(lambda: time.monotonic() > back)
        assert left(pgflow_database) > 0
        proxy.mend()
        eventually(lambda: all(each.said("database is back") for each in both))
        eventually(lambda: left(pgflow_database) == 0, PATIENCE)
    assert outcomes(pgflow_database).keys() <= {"lost"}
    assert [each.terminate() for each in both] == [0, 0]
    assert not any(each.was_robbed() for each in both)


async def test_a_claim_whose_answer_is_lost_is_claimed_again_after_its_lease(
    pgflow_database, pgflow_connection, proxy, proxied, dispatching, lapse, aeventually
):
    """Nobody has those attempts, so nobody renews their leases, however alive their dispatcher is."""
    claimed = "select count(*) from pgflow.step_tasks where status = 'running'"
    executor = Here(complete, capacity=5)
    with Client(pgflow_database) as client:
        client.deploy(single)
        client.start_many(single, list(range(5)))
        proxy.breaks_at = b"trial:double"
        async with dispatching(proxied, [executor.instance], lease=600.0) as dispatcher:
            await aeventually(lambda: dispatcher.status().reconnects and dispatcher.status().database_up)
            assert pgflow_connection.execute(claimed).fetchone()["count"] == 5
            assert executor.launched == []
            proxy.breaks_at = None
            lapse()
            await aeventually(lambda: left(pgflow_database) == 0)
    assert outcomes(pgflow_database) == {"lost": 5}
    assert [attempt.attempt for attempt in executor.launched] == [2] * 5


@pytest.mark.slow
def test_ten_thousand_tasks_survive_a_restart_and_an_outage_of_a_minute(tmp_path, processes, eventually):
    tasks = 10_000
    server = Server(tmp_path / "server")
    try:
        with Client(server.dsn) as client:
            client.deploy(single)
            client.start_many(single, list(range(tasks)))
        all_three = [processes(server.dsn) for _ in range(3)]
        eventually(lambda: left(server.dsn) < tasks * 0.8, PATIENCE)
        server.stop_at_once()
        server.start()
        eventually(lambda: left(server.dsn) < tasks * 0.6, PATIENCE)
        server.stop_at_once()
        back = time.monotonic() + 60
        eventually(lambda: time.monotonic() > back, 90)
        server.start()
        eventually(lambda: left(server.dsn) == 0, PATIENCE)
        assert outcomes(server.dsn).keys() <= {"lost"}  # a claim that died between its commit and its answer
        assert server.rows("select * from pgflow.check_invariants()") == []
        assert [each.terminate() for each in all_three] == [0, 0, 0]
        assert not any(each.was_robbed() for each in all_three)
    finally:
        server.close()


async def test_a_slow_database_bounds_what_is_in_hand_and_keeps_every_report(
    pgflow_database, proxy, proxied, dispatching, aeventually
):
    tasks, delay = 400, 0.05
    with Client(pgflow_database) as client:
        client.deploy(single)
        client.start_many(single, list(range(tasks)))
    proxy.delay = delay
    most: Counter[str] = Counter()
    async with dispatching(proxied, settings={"processes": 2}, lease=10.0) as dispatcher:

        def done() -> bool:
            (lane,) = dispatcher.status().lanes
            most["over capacity"] = max(most["over capacity"], lane.under_way - lane.capacity)
            most["unsent"] = max(most["unsent"], lane.unsent)
            most["capacity"] = max(most["capacity"], lane.capacity)
            return left(pgflow_database) == 0

        await aeventually(done, PATIENCE)
    # The capacity follows how short tasks have been: what was claimed before it shrank may exceed it.
    assert most["over capacity"] <= most["capacity"]
    assert most["unsent"] <= 2 * most["capacity"] + 100
    assert outcomes(pgflow_database) == {}


async def test_reports_that_fill_more_than_a_call_go_before_more_is_claimed(
    pgflow_database, dispatching, aeventually, monkeypatch
):
    monkeypatch.setattr("pgflow.dispatcher.reports.MAX_CHARACTERS", 200_000)
    tasks, capacity = 1000, 100
    unsent: list[int] = []

    async def complete_at_length(executor, attempt):
        executor.report(attempt, "complete", output=f'"{"x" * 20_000}"')
        unsent.append(dispatcher.status().lanes[0].unsent)
        await asyncio.sleep(0)
        return await complete(executor, attempt)

    with Client(pgflow_database) as client:
        client.deploy(single)
        executor = Here(complete_at_length, capacity)
        async with dispatching(pgflow_database, [executor.instance]) as dispatcher:
            client.start_many(single, list(range(tasks)))
            await aeventually(lambda: left(pgflow_database) == 0)
    assert max(unsent) <= 3 * capacity
