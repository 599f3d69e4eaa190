"""Checks 8 to 12: what is seen of an attempt from outside, and how it is stopped."""

from __future__ import annotations

import json
import uuid
from typing import Final

import pytest
from pgflow.executor import Accepted, Capability, HandleRef, Phase

from pgflow_testing.executor_suite.base import Suite, check
from pgflow_testing.executor_suite.bench import LIVE, Bench
from pgflow_testing.executor_suite.contract import breach, expect

__all__ = ["BaseCancel", "BaseObserve"]

_MANY: Final = 1000
_PAGE: Final = 50
"""The smallest page that still counts as one: Lambda and Kubernetes list at least so many."""

_HANDLE_BYTES: Final = 4096


class BaseObserve(Suite):
    """Looking at attempts."""

    @check
    async def test_08_what_is_unknown_is_an_answer(self, bench: Bench) -> None:
        """Check 8."""
        (attempt,) = bench.claim()
        async with bench.running() as executor:
            await executor.accepted(attempt, 8)
            refs = [_nobody(), _nobody(handle={"made": "up"}), _nobody()]
            for seen in await executor.observe(refs, 8):
                right = seen.phase in {Phase.NOT_FOUND, Phase.UNKNOWN}
                expect(8, right, f"observe said {seen.phase} of an attempt that was never launched")
            expect(8, not await executor.observe([], 8), "observe saw something where nothing was asked")

    @check
    async def test_09_many_are_seen_with_few_requests(self, bench: Bench) -> None:
        """Check 9."""
        bench.needs(Capability.OBSERVE)
        (attempt,) = bench.claim(hold=True)
        async with bench.running() as executor:
            known = await executor.accepted(attempt, 9)
            refs = [known, *(_nobody() for _ in range(_MANY - 1))]
            before = 0 if bench.runs_here else bench.backend.reads()
            first, *_ = await executor.observe(refs, 9)
            made = 0 if bench.runs_here else bench.backend.reads() - before
            expect(9, made <= _MANY / _PAGE, f"observe of {_MANY} attempts made {made} requests")
            expect(9, first.phase in LIVE, f"observe of {_MANY} said {first.phase} of the one that runs")

    @check
    async def test_11_a_new_instance_sees_the_same(self, bench: Bench) -> None:
        """Check 11."""
        bench.elsewhere_only()
        bench.needs(Capability.OBSERVE)
        (attempt,) = bench.claim(hold=True)
        async with bench.running() as executor:
            ref = await executor.accepted(attempt, 11)
            await bench.until(lambda: bench.marks.started(attempt), "the start of the handler", 11)
        async with bench.running() as restarted:
            (seen,) = await restarted.observe([ref], 11)
            expect(11, seen.phase in LIVE, f"a new instance says {seen.phase} of an attempt that runs")
            bench.marks.go()
            await bench.end_of(attempt, 11)
            await restarted.cancel(ref, 11)

    @check
    async def test_11_what_vanished_is_not_found(self, bench: Bench) -> None:
        """Check 11, of an attempt that somebody deleted."""
        bench.elsewhere_only()
        bench.needs(Capability.OBSERVE)
        (attempt,) = bench.claim(hold=True)
        async with bench.running() as executor:
            ref = await executor.accepted(attempt, 11)
            bench.backend.delete_remote(attempt)
            (seen,) = await executor.observe([ref], 11)
            right = seen.phase is Phase.NOT_FOUND
            expect(11, right, f"observe said {seen.phase} of an attempt that was deleted")

    @check
    async def test_12_a_handle_is_small_json(self, bench: Bench) -> None:
        """Check 12."""
        (attempt,) = bench.claim()
        async with bench.running() as executor:
            result = await executor.launch(attempt, 12)
            if not isinstance(result, Accepted):
                breach(12, f"launch answered {result!r} where nothing was wrong")
            if result.handle is None:
                pytest.skip(f"{bench.instance.executor.__name__} gives no handle")
            try:
                text = json.dumps(result.handle)
            except (TypeError, ValueError) as error:
                breach(12, f"the handle is not JSON: {error}")
            expect(12, json.loads(text) == result.handle, f"the handle comes back from JSON as {text[:200]}")
            size = len(text.encode())
            expect(12, size <= _HANDLE_BYTES, f"the handle takes {size} bytes")


class BaseCancel(Suite):
    """Stopping attempts."""

    @check
    async def test_10_cancel_twice_or_of_nothing_is_no_error(self, bench: Bench) -> None:
        """Check 10."""
        (early, attempt) = bench.claim(2, hold=True)
        async with bench.running() as executor:
            await executor.cancel(_nobody(), 10)
            await executor.cancel(executor.ref(early), 10)
            ref = await executor.accepted(attempt, 10)
            await executor.cancel(ref, 10)
            await executor.cancel(ref, 10)

    @check
    async def test_10_cancel_stops_the_code(self, bench: Bench) -> None:
        """Check 10, of an executor that declares CANCEL and can look whether it did."""
        bench.needs(Capability.CANCEL)
        bench.needs(Capability.OBSERVE)
        (attempt,) = bench.claim(hold=True)
        async with bench.running() as executor:
            ref = await executor.accepted(attempt, 10)
            await bench.until(lambda: bench.marks.started(attempt), "the start of the handler", 10)
            bench.rows("select pgflow.cancel_run(%s)", attempt.run_id)
            await executor.cancel(ref, 10)
            await executor.gone(ref, "the end of code that was cancelled", 10)
            bench.marks.go()
        expect(10, not bench.marks.done(attempt), "the handler ran to its end though it was cancelled")
        expect(10, not executor.reports, f"a report followed a cancellation: {executor.reports}")

    @check
    async def test_10_cancel_ends_code_that_stands_still(self, bench: Bench) -> None:
        """Check 10, of code that does nothing any more, and so missed its heartbeats."""
        bench.needs(Capability.CANCEL)
        bench.needs(Capability.OBSERVE)
        (attempt,) = bench.claim(hold=True, heartbeat_timeout=60, timeout=200_000)
        async with bench.running() as executor:
            ref = await executor.accepted(attempt, 10)
            await bench.until(lambda: bench.marks.started(attempt), "the start of the handler", 10)
            bench.backend.freeze(attempt)
            bench.lapse()
            (ended,) = bench.outcomes(attempt)
            expect(10, ended[1] == "lost", f"an attempt that stood still ended as {ended[1]}")
            await executor.cancel(ref, 10)
            await executor.gone(ref, "the end of code that stood still", 10)


def _nobody(handle: dict[str, object] | None = None) -> HandleRef:
    return HandleRef(uuid.uuid4(), "work", 0, 1, f"nobody-{uuid.uuid4().hex[:8]}", handle)
