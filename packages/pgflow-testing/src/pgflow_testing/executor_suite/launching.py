"""Checks 1 to 7: what a launch does, and what it answers when things go wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pgflow.executor import Accepted, Capability, Rejected, Unknown

from pgflow_testing.executor_suite.base import Suite, check
from pgflow_testing.executor_suite.bench import Bench
from pgflow_testing.executor_suite.contract import breach, expect

__all__ = ["BaseFaultyLaunch", "BaseLaunch"]

_RETRY_AFTER: Final = 7.0


class BaseLaunch(Suite):
    """A launch where nothing is wrong."""

    @check
    async def test_01_an_attempt_runs_and_completes(self, bench: Bench) -> None:
        """Check 1."""
        (attempt,) = bench.claim(value={"n": 1})
        async with bench.running() as executor:
            await executor.accepted(attempt, 1)
            await bench.end_of(attempt, 1)
        task = bench.task(attempt)
        expect(1, task["status"] == "completed", f"the task ended as {task['status']}: {task['error']}")
        expect(1, task["output"] == {"n": 1}, f"the output {task['output']} is not what the handler returned")
        ran = len(bench.marks.started(attempt))
        expect(1, ran == 1, f"the handler ran {ran} times")

    @check
    async def test_02_launching_twice_runs_once(self, bench: Bench) -> None:
        """Check 2."""
        (attempt,) = bench.claim(hold=True)
        async with bench.running() as executor:
            await executor.accepted(attempt, 2)
            again = await executor.launch(attempt, 2)
            await bench.until(lambda: bench.marks.started(attempt), "the start of the handler", 2)
            if Capability.IDEMPOTENT_LAUNCH in bench.capabilities:
                expect(2, isinstance(again, Accepted), f"the second launch answered {again!r}")
                if not bench.runs_here:
                    copies = bench.backend.executions(attempt)
                    expect(2, copies == 1, f"IDEMPOTENT_LAUNCH is declared, but {copies} copies were started")
            bench.marks.go()
            await bench.end_of(attempt, 2)
        ran = len(bench.marks.started(attempt))
        expect(2, ran == 1, f"the handler ran {ran} times")
        reports = len(executor.reports)
        expect(2, reports == int(bench.runs_here), f"{reports} reports were made through the context")

    @check
    async def test_02_a_second_delivery_is_turned_away(self, bench: Bench) -> None:
        """Check 2, of a remote place that delivers twice."""
        bench.elsewhere_only()
        bench.backend.duplicate_delivery()
        (attempt,) = bench.claim(hold=True)
        async with bench.running() as executor:
            await executor.accepted(attempt, 2)
            await bench.until(lambda: ("start", 409) in bench.answers.to(attempt), "the second handshake", 2)
            bench.marks.go()
            await bench.end_of(attempt, 2)
        ran = len(bench.marks.started(attempt))
        expect(2, ran == 1, f"the handler ran {ran} times")

    @check
    async def test_06_one_launch_is_one_request(self, bench: Bench) -> None:
        """Check 6, of a launch where nothing is wrong."""
        (attempt,) = bench.claim()
        async with bench.running() as executor:
            await executor.accepted(attempt, 6)
            made = bench.backend.requests(attempt)
            expect(6, made == 1, f"one launch made {made} requests")


class BaseFaultyLaunch(Suite):
    """A launch that the remote place spoils."""

    @check
    async def test_03_a_lost_answer_is_not_a_rejection(self, bench: Bench) -> None:
        """Check 3."""
        bench.elsewhere_only()
        (attempt,) = bench.claim()
        bench.backend.drop_response()
        async with bench.running() as executor:
            result = await executor.launch(attempt, 3)
            expect(3, not isinstance(result, Rejected), f"the answer was lost, and launch said {result!r}")
            if Capability.IDEMPOTENT_LAUNCH in bench.capabilities:
                again = await executor.launch(attempt, 3)
                expect(3, isinstance(again, Accepted), f"launched again, it said {again!r}")
                copies = bench.backend.executions(attempt)
                expect(3, copies == 1, f"launched again after a lost answer, {copies} copies were started")
            await bench.end_of(attempt, 3)
        expect(3, bench.task(attempt)["status"] == "completed", f"the task is {bench.task(attempt)}")

    @check
    async def test_04_a_throttled_launch_costs_nothing(self, bench: Bench) -> None:
        """Check 4."""
        bench.elsewhere_only()
        (attempt,) = bench.claim()
        bench.backend.throttle(_RETRY_AFTER)
        async with bench.running() as executor:
            result = await executor.launch(attempt, 4)
            if not isinstance(result, Rejected) or result.kind != "throttled":
                breach(4, f"the remote place said it is too busy, and launch answered {result!r}")
            told = result.retry_after
            right = told == timedelta(seconds=_RETRY_AFTER)
            expect(4, right, f"the remote place said {_RETRY_AFTER:g} s, and launch answered {told}")
            ran = bench.backend.executions(attempt)
            expect(4, ran == 0, f"{ran} copies were started by a launch that was rejected")
            await executor.accepted(attempt, 4)

    @check
    async def test_05_a_refusal_is_permanent(self, bench: Bench) -> None:
        """Check 5, of a request that will never be taken."""
        bench.elsewhere_only()
        bench.backend.refuse()
        await _rejected(bench, "permanent", "refused the request for good")

    @check
    async def test_05_denied_access_is_the_operators(self, bench: Bench) -> None:
        """Check 5, of rights that are missing."""
        bench.elsewhere_only()
        bench.backend.deny()
        await _rejected(bench, "operator", "denied access")

    @check
    async def test_06_no_fault_makes_a_second_request(self, bench: Bench) -> None:
        """Check 6, of each fault that the backend can make."""
        bench.elsewhere_only()
        async with bench.running() as executor:
            for name in bench.backend.can("drop_response", "throttle", "refuse", "deny"):
                (attempt,) = bench.claim()
                bench.make(name, retry_after=0.01)
                await executor.launch(attempt, 6)
                made = bench.backend.requests(attempt)
                expect(6, made == 1, f"after {name}, one launch made {made} requests")

    @check
    async def test_07_a_launch_bounds_its_own_time(self, bench: Bench) -> None:
        """Check 7."""
        if not bench.runs_here:
            bench.backend.delay(3600.0)
        (attempt,) = bench.claim(hold=True)
        async with bench.running() as executor:
            result = await executor.launch(attempt, 7)
            if bench.runs_here:
                expect(7, isinstance(result, Accepted), f"while the handler runs, launch said {result!r}")
            else:
                expect(7, isinstance(result, Unknown), f"no answer came in time, and launch said {result!r}")


async def _rejected(bench: Bench, kind: str, what: str) -> None:
    (attempt,) = bench.claim()
    async with bench.running() as executor:
        result = await executor.launch(attempt, 5)
        right = isinstance(result, Rejected) and result.kind == kind
        expect(5, right, f"the remote place {what}, and launch answered {result!r}")
        made = bench.backend.requests(attempt)
        expect(5, made == 1, f"the remote place {what}, and {made} requests were made")
