"""What to report of an exception: the error object, and whether to try again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from pgflow.errors import (
    DefinitionError,
    HandlerAborted,
    HandlerMissing,
    InputInvalid,
    NonRetryable,
    OutputInvalid,
    RetryAfter,
    TaskCancelled,
)
from pgflow.jsontext import storable
from pgflow.tracebacks import user_traceback

__all__ = ["HANDLER_MISSING_DELAY", "Failure", "error_of", "failure_of"]

#: Seconds until a task whose handler this worker lacks is offered again.
HANDLER_MISSING_DELAY: Final = 30.0

_MESSAGE_CHARS: Final = 4 * 1024

#: First match decides: exception class, code, may another attempt succeed?
_CODES: Final[tuple[tuple[type[BaseException], str, bool], ...]] = (
    (NonRetryable, "NON_RETRYABLE", False),
    (RetryAfter, "RETRY_AFTER", True),
    (HandlerMissing, "HANDLER_MISSING", True),
    (InputInvalid, "INPUT_INVALID", False),
    (OutputInvalid, "OUTPUT_INVALID", False),
    (DefinitionError, "DEFINITION_INVALID", False),
    (TaskCancelled, "CANCELLED", True),
    (SystemExit, "HANDLER_EXITED", True),
    (MemoryError, "OUT_OF_MEMORY", True),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """How to report an attempt that raised: as a TaskReport takes it."""

    error: dict[str, Any]
    """`{code, message, type, traceback?}`, free of what PostgreSQL cannot store."""
    outcome: Literal["fail", "release"]
    retryable: bool
    retry_after_seconds: float | None


def failure_of(exception: BaseException) -> Failure:
    """Judge what a handler, or the search for it, raised."""
    told = exception.__cause__ if isinstance(exception, HandlerAborted) else None
    shown = told or exception
    verdict = _verdict(shown)
    code, retryable = _code_of(verdict)
    error = {
        "code": code,
        "message": storable(_message(shown))[:_MESSAGE_CHARS],
        "type": type(shown).__name__,
    }
    # Of a handler that cannot be imported only what its module did is of use.
    raised = shown.__cause__ or shown if isinstance(shown, HandlerMissing) else shown
    frames = storable(user_traceback(raised))
    if frames:
        error["traceback"] = frames
    if isinstance(verdict, HandlerMissing):
        return Failure(error, "release", retryable, HANDLER_MISSING_DELAY)
    delay = verdict.seconds if isinstance(verdict, RetryAfter) else None
    return Failure(error, "fail", retryable, delay)


def error_of(exception: BaseException) -> dict[str, Any]:
    """Return the error object `{code, message, type, traceback?}` of an exception."""
    return failure_of(exception).error


def _verdict(exception: BaseException) -> BaseException:
    """Return what decides: in a group a NonRetryable, else the RetryAfter that waits longest."""
    leaves = list(_leaves(exception))
    final = [leaf for leaf in leaves if isinstance(leaf, NonRetryable)]
    waits = [leaf for leaf in leaves if isinstance(leaf, RetryAfter)]
    if final:
        return final[0]
    return max(waits, key=lambda leaf: leaf.seconds) if waits else exception


def _leaves(exception: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions in a group, or the one that is no group."""
    if not isinstance(exception, BaseExceptionGroup):
        yield exception
        return
    group: BaseExceptionGroup[BaseException] = cast("Any", exception)
    for inner in group.exceptions:
        yield from _leaves(inner)


def _code_of(exception: BaseException) -> tuple[str, bool]:
    for kind, code, retryable in _CODES:
        if isinstance(exception, kind):
            return code, retryable
    # Looked at by name: importing asyncio only to compare would slow the start of workers that do not use it.
    if type(exception).__name__ == "CancelledError":
        return "CANCELLED_BY_HANDLER", True
    return "HANDLER_ERROR", True


def _message(exception: BaseException) -> str:
    try:
        return str(exception) or type(exception).__name__
    except Exception as error:
        return f"{type(exception).__name__}, whose message could not be made: {error!r}"
