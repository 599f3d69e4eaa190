"""What the dispatcher makes of executors that misbehave, refuse, or run code elsewhere."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from pgflow import RunFailed
from pgflow.executor import Accepted, HandleRef, Rejected, Unknown
from trial import chain, single
from trial_executors import Elsewhere, Here, complete

from ..dispatching import problems

NOBODY = HandleRef(uuid.UUID(int=0), "", 0, 0, None)


async def step_of(client, handle):
    return (await client.get_run(handle.run_id)).steps[0]


class TestHere:
    """Executors that run the code under the dispatcher."""

    async def test_reports_are_folded_into_few_exchanges(self, client, pgflow_database, dispatching):
        executor = Here(complete, capacity=100)
        handles = await client.start_many(single, range(1000))
        async with dispatching(pgflow_database, [executor.instance]) as dispatcher:
            await asyncio.gather(*(handle.result(60) for handle in handles))
            assert dispatcher.status().lanes[0].exchanges <= 100

    async def test_output_that_postgres_refuses_fails_its_own_task_alone(
        self, client, pgflow_database, dispatching
    ):
        bad = {2: r'"\u0000"', 40: r'"\ud800"', 77: "not json", 99: '{"a":1}}'}

        async def act(executor, attempt):
            number = len(executor.launched) - 1
            executor.report(attempt, "complete", output=bad.get(number, str(number)))
            return Accepted()

        executor = Here(act, capacity=100)
        handles = await client.start_many(single, range(100))
        async with dispatching(pgflow_database, [executor.instance]) as dispatcher:
            outcomes = await asyncio.gather(*(h.result(60) for h in handles), return_exceptions=True)
            assert "REPORT_REFUSED" in problems(dispatcher)
        failures = [outcome for outcome in outcomes if isinstance(outcome, RunFailed)]
        assert sorted(set(range(100)) - set(bad)) == sorted(o for o in outcomes if isinstance(o, int))
        assert [failure.error["code"] for failure in failures] == ["OUTPUT_INVALID"] * len(bad)
        for handle in handles:
            assert (await step_of(client, handle)).attempts <= 1

    async def test_words_that_postgres_refuses_are_mended_in_errors_and_logs(
        self, client, pgflow_database, dispatching
    ):
        async def act(executor, attempt):
            error = {"code": "HANDLER_ERROR", "message": "nul \0 and surrogate \ud800"}
            executor.report(attempt, "fail", error=error, retryable=False, log_tail="tail \0")
            return Accepted()

        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [Here(act).instance]):
            with pytest.raises(RunFailed, match="nul \ufffd and surrogate"):
                await handle.result(60)
        (entry,) = await client.logs(handle.run_id)
        assert entry.log_tail == "tail \ufffd"

    async def test_retry_after_of_a_report_is_obeyed(
        self, client, pgflow_database, pgflow_connection, dispatching, aeventually
    ):
        async def act(executor, attempt):
            executor.report(attempt, "fail", error={"code": "BUSY", "message": ""}, retry_after_seconds=500.0)
            return Accepted()

        await client.start(single, 1)
        async with dispatching(pgflow_database, [Here(act).instance]) as dispatcher:
            await aeventually(lambda: dispatcher.status().lanes[0].answers.get("retrying"))
        row = pgflow_connection.execute(
            "select visible_at - clock_timestamp() as delay from pgflow.step_tasks"
        ).fetchone()
        assert 400 < row["delay"].total_seconds() <= 500

    async def test_permanent_rejection_fails_the_task(self, client, pgflow_database, dispatching):
        async def act(executor, attempt):
            return Rejected("permanent", "no such image")

        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [Here(act).instance]):
            with pytest.raises(RunFailed, match=r"LAUNCH_REJECTED.*no such image"):
                await handle.result(60)

    async def test_operator_rejection_hands_back_pauses_claims_and_is_shown(
        self, client, pgflow_database, dispatching, aeventually
    ):
        async def act(executor, attempt):
            return Rejected("operator", "credentials expired")

        executor = Here(act, capacity=3)
        handles = await client.start_many(single, range(10))
        async with dispatching(pgflow_database, [executor.instance]) as dispatcher:
            await aeventually(lambda: dispatcher.status().lanes[0].answers.get("released") == 3)
            assert problems(dispatcher)["LAUNCH_REFUSED"] == "credentials expired"
            assert len(executor.launched) == 3
        assert all([(await step_of(client, handle)).tasks["queued"] == 1 for handle in handles])

    async def test_executor_that_raises_loses_its_attempt_and_no_other(
        self, client, pgflow_database, dispatching, lapse, aeventually
    ):
        async def act(executor, attempt):
            if len(executor.launched) == 1:
                raise ZeroDivisionError("a bug")
            return await complete(executor, attempt)

        handles = await client.start_many(single, range(5))
        async with dispatching(pgflow_database, [Here(act).instance], lease=600.0) as dispatcher:
            await aeventually(lambda: dispatcher.status().lanes[0].answers == {"completed": 4})
            lapse()
            assert await asyncio.gather(*(handle.result(60) for handle in handles)) == [1] * 5
            assert "ZeroDivisionError" in problems(dispatcher)["EXECUTOR_BUG"]
        assert sum([(await step_of(client, handle)).attempts for handle in handles]) == 1

    async def test_second_report_of_an_attempt_is_ignored(
        self, client, pgflow_database, dispatching, aeventually
    ):
        async def act(executor, attempt):
            await complete(executor, attempt)
            executor.report(attempt, "fail", error={"code": "TWICE", "message": ""})
            return Accepted()

        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [Here(act).instance]) as dispatcher:
            assert await handle.result(60) == 1
            await aeventually(lambda: dispatcher.status().lanes[0].unsent == 0)
            assert dispatcher.status().lanes[0].answers == {"completed": 1}

    async def test_what_is_left_at_the_end_of_the_grace_is_handed_back(
        self, client, pgflow_database, dispatching, aeventually
    ):
        async def act(executor, attempt):
            return Accepted()

        executor = Here(act)

        async def aclose():
            for attempt in executor.launched:
                executor.report(attempt, "release", error={"code": "SHUTDOWN", "message": "going"})

        executor.aclose = aclose
        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [executor.instance], grace=0.1) as dispatcher:
            await aeventually(lambda: dispatcher.status().lanes[0].under_way == 1)
        step = await step_of(client, handle)
        assert (step.tasks["queued"], step.attempts) == (1, 1)

    async def test_second_request_to_stop_cuts_the_grace_short(
        self, client, pgflow_database, dispatching, aeventually
    ):
        async def act(executor, attempt):
            return Accepted()

        await client.start(single, 1)
        async with (
            asyncio.timeout(30),
            dispatching(pgflow_database, [Here(act).instance], grace=600) as dispatcher,
        ):
            await aeventually(lambda: dispatcher.status().lanes[0].under_way == 1)
            dispatcher.request_stop()
            await aeventually(lambda: dispatcher.status().state == "draining")

    async def test_one_executor_that_cannot_start_is_left_out(self, client, pgflow_database, dispatching):
        broken = Elsewhere(complete)

        async def start(context):
            raise OSError("no credentials")

        broken.start = start
        instances = [broken.instance, Here(complete).instance]
        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, instances) as dispatcher:
            assert await handle.result(60) == 1
            assert "no credentials" in problems(dispatcher)["EXECUTOR_NOT_STARTED"]


class TestElsewhere:
    """Executors that start code which reports for itself."""

    async def test_launched_tasks_run_and_report_for_themselves(
        self, client, remote, pgflow_database, dispatching, aeventually
    ):
        await client.deploy(chain)
        executor = Elsewhere(remote.accept)
        handles = await client.start_many(single, range(30))
        async with dispatching(pgflow_database, [executor.instance]) as dispatcher:
            results = await asyncio.gather(*(h.result(60) for h in handles), return_exceptions=True)
            await aeventually(lambda: dispatcher.status().lanes[0].under_way == 0)
        assert len(results) == 30
        assert len(executor.launched) == 30
        assert all(attempt.input is None and attempt.external_id for attempt in executor.launched)

    async def test_what_ended_makes_room_at_once(self, client, remote, pgflow_database, dispatching):
        """Twenty rounds, each of which waited ten seconds once."""
        handles = await client.start_many(single, range(40))
        async with dispatching(pgflow_database, [Elsewhere(remote.accept, capacity=2).instance]):
            assert await asyncio.gather(*(h.result(60) for h in handles)) == [1] * 40

    async def test_no_more_are_launched_than_the_executor_has_room_for(
        self, client, pgflow_database, dispatching, aeventually
    ):
        async def act(executor, attempt):
            return Accepted()

        executor = Elsewhere(act, capacity=4)
        await client.start_many(single, range(10))
        async with dispatching(pgflow_database, [executor.instance]) as dispatcher:
            await aeventually(lambda: len(executor.launched) == 4)
            for attempt in executor.launched[:2]:
                await client.cancel(attempt.run_id)
            await aeventually(lambda: len(executor.cancelled) == 2)
            await aeventually(lambda: len(executor.launched) == 6)
            assert dispatcher.status().lanes[0].under_way <= 4

    async def test_throttled_launch_goes_back_to_the_queue_and_costs_nothing(
        self, client, remote, pgflow_database, dispatching
    ):
        async def act(executor, attempt):
            if len(executor.launched) == 1:
                return Rejected("throttled", "slow down")
            return await remote.accept(executor, attempt)

        handle = await client.start(single, 1)
        executor = Elsewhere(act)
        async with dispatching(pgflow_database, [executor.instance]):
            await handle.result(60)
        first, second = executor.launched
        assert (second.attempt, second.failures) == (2, 0)
        assert first.external_id != second.external_id

    async def test_permanently_rejected_launch_fails_the_run(self, client, pgflow_database, dispatching):
        async def act(executor, attempt):
            return Rejected("permanent", "no such function")

        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [Elsewhere(act).instance]):
            with pytest.raises(RunFailed, match="no such function"):
                await handle.result(60)

    async def test_unknown_launch_is_left_to_its_handshake(
        self, client, remote, pgflow_database, dispatching
    ):
        async def act(executor, attempt):
            await remote.accept(executor, attempt)
            return Unknown("the answer was lost")

        executor = Elsewhere(act)
        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [executor.instance]):
            await handle.result(60)
        assert len(executor.launched) == 1

    async def test_stopping_leaves_launched_tasks_alone(
        self, client, remote, pgflow_database, dispatching, aeventually
    ):
        async def act(executor, attempt):
            return Accepted()

        executor = Elsewhere(act)
        handle = await client.start(single, 1)
        async with asyncio.timeout(30), dispatching(pgflow_database, [executor.instance], grace=600):
            await aeventually(lambda: len(executor.launched) == 1)
        assert (await step_of(client, handle)).tasks["claimed"] == 1
        await remote.run(executor.launched[0], finish=True)
        assert (await client.get_run(handle.run_id)).ended
