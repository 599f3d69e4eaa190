"""Attempts that are looked at in the place they were launched to."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from pgflow.executor import Accepted, HandleRef, Observation, Phase
from trial import single
from trial_executors import Elsewhere, accept

from ..dispatching import problems

NOBODY = HandleRef(uuid.UUID(int=0), "", 0, 0, None)

pytestmark = pytest.mark.usefixtures("brisk")


async def launched_again(executor, hasten):
    while len(executor.launched) < 2:
        hasten()
        await asyncio.sleep(0.1)


async def test_an_attempt_that_died_without_a_word_is_failed_and_tried_again(
    client, remote, pgflow_database, dispatching, aeventually, hasten
):
    async def act(executor, attempt):
        if len(executor.launched) > 1:
            executor.phases.clear()
            return await remote.accept(executor, attempt)
        await remote.run(attempt, finish=False)
        executor.phases[attempt.run_id] = Observation(
            NOBODY, Phase.EXITED_ERROR, code="OOM", detail="killed \0 \ud800", log_tail="last words"
        )
        return Accepted()

    executor = Elsewhere(act)
    handle = await client.start(single, 1)
    async with dispatching(pgflow_database, [executor.instance]):
        await launched_again(executor, hasten)
        await handle.result(60)
    assert [attempt.failures for attempt in executor.launched] == [0, 1]
    (entry,) = await client.logs(handle.run_id)
    assert entry.log_tail == "last words"
    assert executor.cancelled == []


async def test_an_attempt_that_vanished_before_it_started_costs_no_attempt(
    client, remote, pgflow_database, dispatching, hasten
):
    async def act(executor, attempt):
        if len(executor.launched) > 1:
            executor.phases.clear()
            return await remote.accept(executor, attempt)
        executor.phases[attempt.run_id] = Observation(NOBODY, Phase.NOT_FOUND)
        return Accepted()

    executor = Elsewhere(act)
    handle = await client.start(single, 1)
    async with dispatching(pgflow_database, [executor.instance]):
        await launched_again(executor, hasten)
        await handle.result(60)
    assert [attempt.failures for attempt in executor.launched] == [0, 0]


async def test_an_event_has_its_attempt_observed_at_once(
    client, pgflow_database, pgflow_connection, dispatching, aeventually
):
    executor = Elsewhere(accept)
    await client.start_many(single, range(2))
    recorded = "select count(*) = 2 as both from pgflow.launches where recorded_at is not null"
    async with dispatching(pgflow_database, [executor.instance]):
        await aeventually(lambda: pgflow_connection.execute(recorded).fetchone()["both"])
        executor.context.changed(executor.launched[1].external_id)
        await aeventually(lambda: executor.observed)
    (ref,) = executor.observed
    assert ref.external_id == executor.launched[1].external_id
    assert ref.handle == {"job": ref.external_id}


async def test_an_event_is_followed_for_an_executor_that_cannot_be_asked(
    client, pgflow_database, dispatching, aeventually, hasten
):
    class Hearing(Elsewhere):
        capabilities = frozenset()

    executor = Hearing(accept)
    await client.start_many(single, range(2))
    async with dispatching(pgflow_database, [executor.instance]):
        await aeventually(lambda: len(executor.launched) == 2)
        hasten()
        executor.context.changed(executor.launched[1].external_id)
        await aeventually(lambda: executor.observed)
    assert {ref.external_id for ref in executor.observed} == {executor.launched[1].external_id}


async def test_a_dispatcher_that_comes_after_looks_after_what_another_launched(
    client, pgflow_database, dispatching, aeventually, hasten
):
    executor, heir = Elsewhere(accept, capacity=5), Elsewhere(accept, capacity=5)
    await client.start_many(single, range(8))
    async with dispatching(pgflow_database, [executor.instance]):
        await aeventually(lambda: len(executor.launched) == 5)
    async with dispatching(pgflow_database, [heir.instance]) as dispatcher:
        await aeventually(lambda: dispatcher.status().lanes[0].others == 5)
        hasten()
        await aeventually(lambda: len({ref.external_id for ref in heir.observed}) >= 5)
        assert {attempt.external_id for attempt in executor.launched} <= {
            ref.external_id for ref in heir.observed
        }
        await client.cancel(executor.launched[0].run_id)
        await aeventually(lambda: heir.cancelled)
        assert heir.cancelled[0].handle == {"job": executor.launched[0].external_id}


async def test_max_in_flight_counts_what_others_launched(client, pgflow_database, dispatching, aeventually):
    executor = Elsewhere(accept, capacity=100, max_in_flight=5)
    heir = Elsewhere(accept, capacity=100, max_in_flight=5)
    await client.start_many(single, range(8))
    async with dispatching(pgflow_database, [executor.instance]):
        await aeventually(lambda: len(executor.launched) == 5)
    async with dispatching(pgflow_database, [heir.instance]) as dispatcher:
        await aeventually(lambda: dispatcher.status().lanes[0].others == 5)
        for attempt in executor.launched[:2]:
            await client.cancel(attempt.run_id)
        await aeventually(lambda: len(heir.launched) == 2)
        assert dispatcher.status().lanes[0].capacity == 5


@pytest.mark.parametrize("method", ["observe", "cancel"])
async def test_an_executor_that_raises_is_reported_and_looked_through(
    client, pgflow_database, dispatching, aeventually, hasten, method
):
    executor = Elsewhere(accept)

    async def broken(*_):
        raise ZeroDivisionError("a bug")

    setattr(executor, method, broken)
    handle = await client.start(single, 1)
    async with dispatching(pgflow_database, [executor.instance]) as dispatcher:
        await aeventually(lambda: executor.launched)
        await aeventually(lambda: dispatcher.status().lanes[0].unsent == 0)
        hasten()
        if method == "cancel":
            await client.cancel(handle.run_id)
        await aeventually(lambda: f"{method} raised" in problems(dispatcher).get("EXECUTOR_BUG", ""))
        assert dispatcher.status().ready


async def test_a_handle_that_is_too_large_is_a_bug_of_the_executor_and_harms_nobody(
    client, remote, pgflow_database, dispatching
):
    async def act(executor, attempt):
        await remote.accept(executor, attempt)
        return Accepted({"job": "x" * 5000})

    handle = await client.start(single, 1)
    async with dispatching(pgflow_database, [Elsewhere(act).instance]) as dispatcher:
        assert await handle.result(60) == 1
        assert "4096" in problems(dispatcher)["EXECUTOR_BUG"]
