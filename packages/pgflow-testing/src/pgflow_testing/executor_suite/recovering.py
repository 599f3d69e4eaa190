"""Checks 15, 16, 17 and 20: with the real engine and dispatchers, when attempts go astray."""

from __future__ import annotations

import asyncio
import random

import pytest
from pgflow.executor import Capability

from pgflow_testing.executor_suite.base import Suite, check
from pgflow_testing.executor_suite.bench import Bench
from pgflow_testing.executor_suite.contract import expect

__all__ = ["BaseLateReport", "BaseNoReport", "BaseSlots", "BaseStorm"]


class BaseLateReport(Suite):
    """An attempt that goes on after another took its place."""

    @check
    async def test_15_a_late_report_changes_nothing(self, bench: Bench) -> None:
        """Check 15."""
        (attempt,) = bench.claim(hold=True, value="late")
        async with bench.running() as executor:
            await executor.accepted(attempt, 15)
            await bench.until(lambda: bench.marks.started(attempt), "the start of the handler", 15)
            bench.replace(attempt, '"in time"')
            before = bench.task(attempt)
            bench.marks.go()
            if bench.runs_here:
                await bench.until(lambda: executor.reports, "the late report", 15)
                answers = [answer for _, answer in executor.reports]
                expect(15, answers == ["stale"], f"the engine answered {answers} to a late report")
            else:
                late = ("complete", 409)
                await bench.until(lambda: late in bench.answers.to(attempt), "the late report", 15)
        expect(15, bench.task(attempt) == before, "the late report changed the task")


class BaseNoReport(Suite):
    """Code that dies without a word."""

    @check
    async def test_16_code_that_dies_is_noticed(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """Check 16."""
        bench.needs(Capability.OBSERVE)
        _look_often(monkeypatch)
        bench.start_runs(hold=True, value="done")
        async with bench.dispatching():
            await bench.until(bench.marks.times_started, "the start of the handler", 16)
            attempt = bench.launched[0]
            bench.backend.kill_task(attempt)
            while len(bench.marks.times_started()) < 2:
                bench.hasten(16)
                await asyncio.sleep(0.1)
            bench.marks.go()
            await bench.end_of(attempt, 16)
        first, second = bench.outcomes(attempt)
        expect(16, first[1] == "failed", f"the attempt that died ended as {first[1]} ({first[2]})")
        expect(16, second[1] == "completed", f"the attempt after it ended as {second[1]} ({second[2]})")


class BaseSlots(Suite):
    """Attempts that take too long."""

    @check
    async def test_17_a_time_out_frees_the_slot(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """Check 17."""
        _look_often(monkeypatch)
        bench.start_runs(hold=True, timeout=1, max_attempts=1)
        async with bench.dispatching(lease=3.0) as dispatcher:
            await bench.until(lambda: bench.ended() == {"failed": 1}, "the time-out", 17)
            await bench.until(
                lambda: dispatcher.status().lanes[0].under_way == 0, "a free slot after the time-out", 17
            )
            lane = dispatcher.status().lanes[0]
            room = lane.capacity - lane.under_way
            expect(17, room > 0, f"after the time-out there is room for {room} attempts")
            bench.start_runs(value="next")
            await bench.until(lambda: bench.ended()["completed"], "the end of another run", 17)


class BaseStorm(Suite):
    """Many launches, two dispatchers, all faults there are, from a seed."""

    seed = 20
    runs = 200
    """Fewer will do where each costs a process."""

    @check
    async def test_20_a_storm_of_faults_loses_and_doubles_nothing(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Check 20."""
        _look_often(monkeypatch)
        bench.start_runs(self.runs, max_attempts=20, launch_timeout=60)
        async with bench.dispatching(), bench.dispatching():
            making_faults = asyncio.create_task(self._make_faults(bench))
            try:
                await bench.until(
                    lambda: sum(bench.ended().values()) == self.runs, f"the end of {self.runs} runs", 20
                )
            finally:
                making_faults.cancel()
        ended = bench.ended()
        expect(20, ended == {"completed": self.runs}, f"of {self.runs} runs {dict(ended)}")
        doubled = {name: times for name, times in bench.marks.times_started().items() if times > 1}
        expect(20, not doubled, f"{len(doubled)} attempts ran more than once")

    async def _make_faults(self, bench: Bench) -> None:
        choose = random.Random(self.seed)
        can = bench.backend.can("drop_response", "throttle", "duplicate_delivery")
        while can:
            bench.make(choose.choice(can), retry_after=0.05)
            await asyncio.sleep(choose.uniform(0, 0.03))


def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let dispatchers observe without the patience that production needs."""
    for name in ("observer._INTERVAL", "observer._INTERVAL_IDLE", "watch._INTERVAL", "watch._INTERVAL_IDLE"):
        monkeypatch.setattr(f"pgflow.dispatcher.{name}", 0.1)
