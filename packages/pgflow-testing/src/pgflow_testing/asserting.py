"""Assertions about driven runs, whose messages show the whole run."""

from __future__ import annotations

import re
from typing import Any, Final

from pgflow_testing.driven import Driven

__all__ = [
    "assert_attempts",
    "assert_completed",
    "assert_failed",
    "assert_step_completed",
    "assert_step_failed",
    "assert_step_skipped",
]

_ANY: Final = object()


def assert_completed(driven: Driven[Any], result: object = _ANY) -> None:
    """The run completed, with this result if one is given."""
    __tracebackhide__ = True
    _status(driven, "completed")
    if result is not _ANY and driven.result != result:
        _fail(driven, f"the run's result is {driven.result!r}, not {result!r}")


def assert_failed(
    driven: Driven[Any], *, step: str | None = None, code: str | None = None, match: str | None = None
) -> None:
    """The run failed: at this step, with this error code, with a message that this pattern is found in."""
    __tracebackhide__ = True
    _status(driven, "failed")
    error = driven.run.error or {}
    if step is not None and error.get("step_slug") != step:
        _fail(driven, f"the run failed at step {error.get('step_slug')!r}, not at {step!r}")
    _error(driven, "the run's error", error, code, match)


def assert_step_completed(driven: Driven[Any], step: str, output: object = _ANY) -> None:
    """The step completed, with this output if one is given."""
    __tracebackhide__ = True
    _step_status(driven, step, "completed")
    found = driven.step(step).output
    if output is not _ANY and found != output:
        _fail(driven, f"the output of step {step!r} is {found!r}, not {output!r}")


def assert_step_skipped(driven: Driven[Any], step: str, *, reason: str | None = None) -> None:
    """The step was skipped, for this reason if one is given: condition_unmet, dependency_skipped ..."""
    __tracebackhide__ = True
    _step_status(driven, step, "skipped")
    found = driven.step(step).skip_reason
    if reason is not None and found != reason:
        _fail(driven, f"step {step!r} was skipped for the reason {found!r}, not {reason!r}")


def assert_step_failed(
    driven: Driven[Any], step: str, *, code: str | None = None, match: str | None = None
) -> None:
    """The step failed: with this error code, with a message that this pattern is found in."""
    __tracebackhide__ = True
    _step_status(driven, step, "failed")
    _error(driven, f"the error of step {step!r}", driven.step(step).error or {}, code, match)


def assert_attempts(driven: Driven[Any], step: str, *outcomes: str, item: int = 0) -> None:
    """The attempts at a step, or at one item of a map, ended so: "failed", "lost", "completed" ..."""
    __tracebackhide__ = True
    found = tuple(each.outcome for each in driven.step(step).attempts if each.task_index == item)
    if found != outcomes:
        where = f"step {step!r}" + (f", item {item}" if item else "")
        _fail(driven, f"the attempts at {where} ended {_listed(found)}, not {_listed(outcomes)}")


def _status(driven: Driven[Any], expected: str) -> None:
    __tracebackhide__ = True
    if driven.status != expected:
        _fail(driven, f"the run is {driven.status}, not {expected}")


def _step_status(driven: Driven[Any], step: str, expected: str) -> None:
    __tracebackhide__ = True
    found = driven.step(step).status
    if found != expected:
        _fail(driven, f"step {step!r} is {found}, not {expected}")


def _error(driven: Driven[Any], what: str, error: Any, code: str | None, match: str | None) -> None:
    __tracebackhide__ = True
    if code is not None and error.get("code") != code:
        _fail(driven, f"{what} has the code {error.get('code')!r}, not {code!r}")
    message = str(error.get("message", ""))
    if match is not None and re.search(match, message) is None:
        _fail(driven, f"{what} says {message!r}, where {match!r} is not found")


def _listed(outcomes: tuple[str, ...]) -> str:
    return ", ".join(outcomes) or "(there was none)"


def _fail(driven: Driven[Any], problem: str) -> None:
    __tracebackhide__ = True
    raise AssertionError(f"{problem}\n{driven}")
