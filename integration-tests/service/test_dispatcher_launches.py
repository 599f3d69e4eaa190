"""What the dispatcher makes of launches: refused, unknown, throttled, waited for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from pgflow import RunFailed
from pgflow.errors import ConfigError
from pgflow.executor import Accepted, Rejected, Unknown
from trial import chain, single
from trial_executors import Elsewhere, Here, Repeatable, accept, complete

from ..dispatching import problems

pytestmark = pytest.mark.usefixtures("brisk")


async def ended(client, handle):
    return (await client.get_run(handle.run_id)).steps[0]


class TestRefused:
    """Launches that surely did not start."""

    async def test_throttling_pauses_its_own_lane_and_gives_everything_back(
        self, client, pgflow_database, pgflow_connection, dispatching, aeventually
    ):
        async def throttle(executor, attempt):
            return Rejected("throttled", "429", timedelta(seconds=500))

        await client.deploy(chain)
        executor = Elsewhere(throttle, capacity=40)
        await client.start_many(single, range(40))
        async with dispatching(pgflow_database, [executor.instance]) as dispatcher:
            await aeventually(lambda: dispatcher.status().lanes[0].claimed == 40)
            await aeventually(lambda: dispatcher.status().lanes[0].under_way == 0)
        # Those that had not been tried when the first was refused were not tried at all.
        assert len(executor.launched) < 40
        rows = pgflow_connection.execute(
            "select status, failures, launch_failures, visible_at - clock_timestamp() as delay "
            "from pgflow.step_tasks"
        ).fetchall()
        assert {(row["status"], row["failures"], row["launch_failures"]) for row in rows} == {
            ("queued", 0, 0)
        }
        assert min(row["delay"] for row in rows) > timedelta(seconds=400)

    async def test_an_operator_refusal_pauses_the_executor_for_every_dispatcher_until_it_is_mended(
        self, client, remote, pgflow_database, pgflow_connection, dispatching, aeventually
    ):
        mended = False

        async def act(executor, attempt):
            if mended:
                return await remote.accept(executor, attempt)
            return Rejected("operator", "AccessDenied: lambda:InvokeFunction")

        first, second = Elsewhere(act, capacity=3), Elsewhere(act, capacity=3)
        handles = await client.start_many(single, range(10))
        async with dispatching(pgflow_database, [first.instance]) as dispatcher:
            await aeventually(lambda: dispatcher.status().lanes[0].refused)
            assert "AccessDenied" in problems(dispatcher)["LAUNCH_REFUSED"]
            assert dispatcher.status().ready
        async with dispatching(pgflow_database, [second.instance]) as dispatcher:
            await aeventually(lambda: "AccessDenied" in (dispatcher.status().lanes[0].refused or ""))
            assert second.launched == []
            mended = True
            pgflow_connection.execute("update pgflow.executors set probe_at = clock_timestamp()")
            assert await asyncio.gather(*(handle.result(60) for handle in handles)) == [1] * 10
            await aeventually(lambda: dispatcher.status().lanes[0].refused is None)
            await aeventually(lambda: "LAUNCH_REFUSED" not in problems(dispatcher))
        for handle in handles:
            assert (await ended(client, handle)).attempts <= 2
        rows = pgflow_connection.execute(
            "select max(failures) + max(launch_failures) as spent from pgflow.step_tasks"
        )
        assert rows.fetchone()["spent"] == 0

    async def test_launches_that_fail_five_times_fail_the_task(self, client, pgflow_database, dispatching):
        async def act(executor, attempt):
            return Rejected("transient", "502", timedelta(0))

        executor = Elsewhere(act)
        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [executor.instance]):
            with pytest.raises(RunFailed, match="LAUNCH_FAILED"):
                await handle.result(60)
        assert [attempt.failures for attempt in executor.launched] == [0] * 5

    async def test_what_was_not_launched_when_the_grace_ended_is_given_back(
        self, client, pgflow_database, pgflow_connection, dispatching, aeventually
    ):
        async def act(executor, attempt):
            await closed.wait()
            return Accepted()

        closed = asyncio.Event()
        executor = Elsewhere(act, capacity=20)

        async def aclose():
            closed.set()

        executor.aclose = aclose
        await client.start_many(single, range(20))
        async with dispatching(pgflow_database, [executor.instance], grace=0.1) as dispatcher:
            await aeventually(lambda: dispatcher.status().lanes[0].claimed == 20)
            await aeventually(lambda: len(executor.launched) == 16)
        assert len(executor.launched) == 16
        rows = pgflow_connection.execute(
            "select status, count(*) as number, max(launch_failures) as spent "
            "from pgflow.step_tasks group by 1"
        ).fetchall()
        assert {row["status"]: row["number"] for row in rows} == {"claimed": 16, "queued": 4}
        assert {row["spent"] for row in rows} == {0}


class TestUnknown:
    """Launches of which nobody knows whether they started."""

    async def test_it_is_launched_again_by_the_same_name_until_its_handshake(
        self, client, remote, pgflow_database, dispatching, monkeypatch
    ):
        monkeypatch.setattr("pgflow.dispatcher.launching._FIRST_RELAUNCH", 0.05)
        answers = [Unknown("dropped"), Rejected("transient", "502"), Unknown("dropped")]

        async def act(executor, attempt):
            if answers:
                return answers.pop(0)
            return await remote.accept(executor, attempt)

        executor = Repeatable(act)
        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [executor.instance]):
            assert await handle.result(60) == 1
        assert len(executor.launched) == 4
        assert len({attempt.attempt_token for attempt in executor.launched}) == 1
        assert len({attempt.external_id for attempt in executor.launched}) == 1

    async def test_it_is_launched_no_more_once_its_deadline_has_passed(
        self, client, pgflow_database, pgflow_connection, dispatching, aeventually, monkeypatch
    ):
        monkeypatch.setattr("pgflow.dispatcher.launching._FIRST_RELAUNCH", 0.05)
        monkeypatch.setattr("pgflow.dispatcher.launching._LONGEST_RELAUNCH", 0.05)

        async def act(executor, attempt):
            return Unknown("dropped")

        executor = Repeatable(act)
        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [executor.instance]) as dispatcher:
            await aeventually(lambda: len(executor.launched) > 3)
            await client.cancel(handle.run_id)
            await aeventually(lambda: dispatcher.status().lanes[0].under_way == 0)
            await aeventually(lambda: dispatcher.status().lanes[0].unsent == 0)
            assert len({attempt.attempt for attempt in executor.launched}) == 1

    async def test_a_start_that_overtakes_its_answer_counts(
        self, client, remote, pgflow_database, dispatching
    ):
        async def act(executor, attempt):
            await remote.run(attempt, finish=True)
            return Rejected("permanent", "the answer was garbled")

        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [Elsewhere(act).instance]):
            assert await handle.result(60) == 1


class TestSendingInput:
    """Inputs that may go along."""

    async def test_inputs_are_claimed_for_an_executor_that_sends_them(
        self, client, pgflow_database, dispatching, aeventually
    ):
        sending, other = Elsewhere(accept), Elsewhere(accept)
        sending.sends_input = True
        for executor, expected in ((sending, ['{"run": 7}']), (other, [None])):
            await client.start(single, 7)
            async with dispatching(pgflow_database, [executor.instance]):
                await aeventually(lambda executor=executor: executor.launched)
            assert [attempt.input for attempt in executor.launched] == expected


class TestReportTarget:
    """Where attempts report to."""

    async def test_an_executor_learns_where_its_attempts_report_to(
        self, client, pgflow_database, dispatching
    ):
        executor = Elsewhere(accept)
        async with dispatching(pgflow_database, [executor.instance]):
            assert executor.context.report_to == executor.core["report_to"]

    async def test_one_without_is_refused_at_the_start_with_the_mend(
        self, client, pgflow_database, dispatching
    ):
        executor = Elsewhere(accept, report_to=None)
        with pytest.raises(ConfigError, match=r"executors\.local.*public_url"):
            async with dispatching(pgflow_database, [executor.instance]):
                pass
        assert executor.context is None

    async def test_one_that_runs_here_needs_none(self, client, pgflow_database, dispatching):
        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [Here(complete, report_to=None).instance]):
            assert await handle.result(60) == 1


class TestWaitedFor:
    """Launches that learn how the attempt ended."""

    async def test_their_reports_go_the_way_of_the_dispatcher(
        self, client, remote, pgflow_database, pgflow_connection, dispatching, aeventually
    ):
        async def act(executor, attempt):
            await remote.run(attempt, finish=False)
            if attempt.attempt == 1:
                executor.report(
                    attempt, "fail", error={"code": "BUSY", "message": "no"}, retry_after_seconds=0
                )
                return Accepted()
            return await complete(executor, attempt)

        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [Elsewhere(act).instance]) as dispatcher:
            assert await handle.result(60) == 1
            await aeventually(
                lambda: (
                    (dispatcher.status().lanes[0].unsent, dispatcher.status().lanes[0].under_way) == (0, 0)
                )
            )
        (row,) = pgflow_connection.execute(
            "select attempt, outcome, error ->> 'code' as code from pgflow.step_task_attempts"
        ).fetchall()
        assert row == {"attempt": 1, "outcome": "failed", "code": "BUSY"}

    async def test_as_many_are_made_at_once_as_the_executor_says(self, client, pgflow_database, dispatching):
        under_way = 0
        together = asyncio.Event()

        async def act(executor, attempt):
            nonlocal under_way
            under_way += 1
            if under_way == 40:
                together.set()
            await together.wait()
            return await complete(executor, attempt)

        executor = Elsewhere(act, capacity=40)
        executor.launches_at_once = 40
        handles = await client.start_many(single, range(40))
        async with dispatching(pgflow_database, [executor.instance]):
            assert await asyncio.gather(*(handle.result(60) for handle in handles)) == [1] * 40
