"""Checks 13, 14, 18 and 19: secrets, large inputs, what is left behind, misspelt keys."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest
from pgflow.executor import Accepted, Attempt
from pydantic import ValidationError

from pgflow_testing.executor_suite.base import Suite, check
from pgflow_testing.executor_suite.bench import Bench, Launched
from pgflow_testing.executor_suite.contract import breach, expect

__all__ = ["BaseClosing", "BaseLargeInput", "BaseSecrecy", "BaseSettings"]

_CANARY: Final = "canary-7f3a9c51"
_LARGE: Final = 2_000_000
"""More than any service takes with a request: Lambda 1 MB, etcd 1.5 MB."""

_LIVES: Final = 5
"""A leak grows with each; what only grows now and then, as a server's connections, is none."""

_FILES: Final = Path("/proc/self/fd")


class BaseSecrecy(Suite):
    """Where a token or an input must not turn up."""

    @check
    async def test_13_secrets_stay_secret(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        """Check 13."""
        caplog.set_level(logging.DEBUG)
        faults = ("drop_response", "throttle", "refuse", "deny")
        can = bench.backend.can(*faults)
        texts: dict[str, str] = {}
        attempts: list[Attempt] = []
        async with bench.running() as executor:
            for fault in ["nothing wrong", *can]:
                if fault in can:
                    bench.make(fault, retry_after=0.01)
                (attempt,) = bench.claim(value=_CANARY, with_input=True)
                attempts.append(attempt)
                texts |= await _said(executor, attempt, fault)
                texts["the executor's repr"] = repr(executor.executor)
            if not bench.runs_here:
                texts["names and labels"] = bench.backend.exposed()
            await bench.end_of(attempts[0], 13)
        texts["the log"] = "\n".join(record.getMessage() + str(record.__dict__) for record in caplog.records)
        for where, text in texts.items():
            told = [attempt for attempt in attempts if str(attempt.attempt_token) in text]
            told += [attempt for attempt in attempts if attempt.attempt_token.hex in text]
            expect(13, not told, f"an attempt token is in {where}")
            expect(13, _CANARY not in text, f"an attempt's input is in {where}")


class BaseLargeInput(Suite):
    """An input that no request can carry."""

    @check
    async def test_14_a_large_input_is_fetched(self, bench: Bench) -> None:
        """Check 14."""
        bench.elsewhere_only()
        ballast = "x" * _LARGE
        async with bench.running() as executor:
            for with_input in (False, True):
                (attempt,) = bench.claim(value="done", ballast=ballast, with_input=with_input)
                await executor.accepted(attempt, 14)
                task = await bench.end_of(attempt, 14)
                expect(
                    14, task["output"] == "done", f"with {_LARGE:,} bytes of input the task {task['status']}"
                )


class BaseClosing(Suite):
    """What is left when an executor has been closed."""

    @check
    async def test_18_nothing_is_left_behind(self, bench: Bench) -> None:
        """Check 18."""
        await self._one_life(bench)  # what is imported, opened and cached once is no leak
        leaking = dict(_KINDS)
        for _ in range(_LIVES):
            before = {kind: count() for kind, count in leaking.items()}
            await self._one_life(bench)
            for kind, count in list(leaking.items()):
                if await _settles(count, before[kind]):
                    del leaking[kind]
            if not leaking:
                return
        breach(18, f"each of {_LIVES} lives of the executor left more {' and '.join(leaking)}")

    @check
    async def test_18_closing_does_not_wait_for_the_code(self, bench: Bench) -> None:
        """Check 18, while an attempt is under way."""
        (attempt,) = bench.claim(hold=True)
        async with bench.running() as executor:
            await executor.accepted(attempt, 18)
            await bench.until(lambda: bench.marks.started(attempt), "the start of the handler", 18)
        if bench.runs_here:
            said = [report.outcome for report, _ in executor.reports]
            expect(18, said == ["release"], f"aclose handed the attempt back by reports {said}")
        else:
            ended = [outcome for _, outcome, _ in bench.outcomes(attempt)]
            expect(18, ended == ["running"], f"aclose ended an attempt that runs elsewhere: {ended}")

    async def _one_life(self, bench: Bench) -> None:
        (attempt,) = bench.claim()
        async with bench.running() as executor:
            await executor.accepted(attempt, 18)
            await bench.end_of(attempt, 18)
            await executor.observe([executor.ref(attempt)], 18)


class BaseSettings(Suite):
    """What an operator or an author mistypes."""

    def test_19_unknown_keys_are_refused(self, bench: Bench) -> None:
        """Check 19."""
        cls = bench.instance.executor
        given = bench.instance.settings.model_dump(mode="json", exclude_unset=True)
        for model, values in ((cls.Settings, given), (cls.StepOptions, {})):
            try:
                model.model_validate({**values, "no_such_key": 1})
            except ValidationError as error:
                named = [problem["loc"] for problem in error.errors() if problem["type"] == "extra_forbidden"]
                expect(19, ("no_such_key",) in named, f"{model.__name__} refuses it, but does not name it")
            else:
                breach(19, f"{model.__name__} took a key that it does not know")


async def _said(executor: Launched, attempt: Attempt, fault: str) -> dict[str, str]:
    """Launch, look and cancel; return everything that was answered."""
    result = await executor.launch(attempt, 13)
    ref = executor.ref(attempt, result)
    handle = json.dumps(ref.handle)
    seen = await executor.observe([ref], 13)
    if not isinstance(result, Accepted):
        await executor.cancel(ref, 13)
    said = {"the answer": repr(result), "the handle": handle, "what observe said": repr(seen)}
    return {f"{what} ({fault})": text for what, text in said.items()}


async def _settles(count: Callable[[], int], limit: int) -> bool:
    """Give what is ending a moment: what leaks stays."""
    for _ in range(50):
        if count() <= limit:
            return True
        await asyncio.sleep(0.01)
    return False


def _open_files() -> int:
    return len(list(_FILES.iterdir())) if _FILES.is_dir() else 0


_KINDS: Final[Mapping[str, Callable[[], int]]] = {
    "tasks": lambda: len(asyncio.all_tasks()),
    "threads": threading.active_count,
    "open files": _open_files,
}
