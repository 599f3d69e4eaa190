"""What to report of an exception: the error object, and whether to try again."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
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

__all__ = ["HANDLER_MISSING_DELAY", "Failure", "error_of", "failure_of"]

#: Seconds until a task whose handler this worker lacks is offered again.
HANDLER_MISSING_DELAY: Final = 30.0

_TRACEBACK_BYTES: Final = 8 * 1024
_MESSAGE_CHARS: Final = 4 * 1024
_CUT: Final = "... (cut)\n"

#: Above the first frame of this file are those of the worker.
_CALL_FILE: Final = str(Path(__file__).with_name("call.py"))
_PACKAGE: Final = str(Path(__file__).parent.parent)
_STANDARD: Final = str(Path(traceback.__file__).parent)
_NOT_USERS: Final = (
    _PACKAGE + os.sep,
    f"{_STANDARD}{os.sep}asyncio{os.sep}",
    f"{_STANDARD}{os.sep}concurrent{os.sep}",
    "<frozen importlib",
)

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
    error = {"code": code, "message": _clean(_message(shown))[:_MESSAGE_CHARS], "type": type(shown).__name__}
    frames = _clean(_traceback(shown))
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


def _traceback(exception: BaseException) -> str:
    """Return the user's frames and the exceptions; of more than 8 KiB the last part, "" without frames."""
    try:
        shown = traceback.TracebackException.from_exception(exception)
        if not _keep_user_frames(shown):
            return ""
        text = "".join(shown.format())
    except Exception:  # formatting calls the user's __str__
        return ""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= _TRACEBACK_BYTES:
        return text
    return _CUT + encoded[len(_CUT) - _TRACEBACK_BYTES :].decode("utf-8", "ignore")


def _keep_user_frames(shown: traceback.TracebackException) -> bool:
    """Drop the frames of worker and library, in causes too; return whether any frame is left."""
    frames = list(shown.stack)
    starts = [place for place, frame in enumerate(frames) if frame.filename == _CALL_FILE]
    frames = frames[starts[0] if starts else 0 :]
    shown.stack = traceback.StackSummary.from_list(
        [f for f in frames if not f.filename.startswith(_NOT_USERS)]
    )
    context = None if shown.__suppress_context__ else shown.__context__
    inner = [shown.__cause__, context, *(shown.exceptions or ())]
    kept = [_keep_user_frames(other) for other in inner if other is not None]
    return bool(shown.stack) or any(kept)


def _clean(text: str) -> str:
    """Replace what jsonb cannot store: NUL and lone surrogates."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
