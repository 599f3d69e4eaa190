"""Runs a handler: JSON text in, JSON text out."""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pgflow.errors import HandlerAborted
from pgflow.runtime.context import MaybeLater, entered
from pgflow.runtime.failures import error_of
from pgflow.runtime.handlers import Arguments, Handler, resolve

if TYPE_CHECKING:
    import asyncio

__all__ = ["call_async", "call_sync", "error_of", "run_handler", "run_handler_async", "run_to_end"]

T = TypeVar("T")


def run_handler(
    handler: str | Handler, params: str | None, input_json: str, *, task: MaybeLater | None = None
) -> str:
    """Run a handler, sync or async, in this thread and return its result as JSON text.

    `handler` is a reference "module:function"; `params` and `input_json` are JSON texts as claimed.
    Whatever goes wrong is an Exception for `failure_of`; only KeyboardInterrupt passes as it is.
    """
    found = resolve(handler) if isinstance(handler, str) else handler
    arguments = found.decode(params, input_json)
    with entered(task):
        result = call_sync(found.function, arguments)
    return found.encode(result)


async def run_handler_async(
    handler: str | Handler, params: str | None, input_json: str, *, task: MaybeLater | None = None
) -> str:
    """Do the same inside a running event loop; a sync handler runs in a thread.

    Cancelling the caller cancels an async handler; a thread cannot be stopped and is left to end by itself.
    """
    found = resolve(handler) if isinstance(handler, str) else handler
    arguments = found.decode(params, input_json)
    with entered(task):
        result = await call_async(found.function, arguments)
    return found.encode(result)


def call_sync(function: Callable[..., Any], arguments: Arguments) -> Any:
    """Call a handler and wait for its result; an async one runs in an event loop that this thread keeps."""
    try:
        result = function(*arguments.positional, **arguments.named)
        if inspect.isawaitable(result):
            result = _loop_of_thread().run(_guarded(result), context=contextvars.copy_context())
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _aborted(error) from error
    return result


def run_to_end(loop: asyncio.AbstractEventLoop, running: asyncio.Task[T]) -> T:
    """Run a loop until a task ends, whatever its handler raises; another thread may cancel the task."""
    while not running.done():
        # asyncio lets these two out of the loop besides giving them to the culprit's awaiter.
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            loop.run_until_complete(running)
    return running.result()


async def call_async(function: Callable[..., Any], arguments: Arguments) -> Any:
    """Call a handler inside a running event loop; a sync one runs in a thread."""
    import asyncio  # a worker of sync handlers never needs it

    if inspect.iscoroutinefunction(function):
        awaitable = function(*arguments.positional, **arguments.named)
    else:
        awaitable = _in_thread(function, arguments)
    # A task of its own tells a cancellation of the caller from a CancelledError the handler made itself.
    inner = asyncio.create_task(_guarded(awaitable))
    cancellation: asyncio.CancelledError | None = None
    while not inner.done():
        try:
            await asyncio.wait({inner})
        except asyncio.CancelledError as once_more:  # a handler that goes on is not left behind
            cancellation = once_more
            inner.cancel()
    if cancellation is not None:
        raise cancellation
    if inner.cancelled():
        error = asyncio.CancelledError()
        raise _aborted(error) from error
    return inner.result()


async def _guarded(awaitable: Awaitable[T]) -> T:
    import asyncio

    try:
        return await awaitable
    except (Exception, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        running = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and running is not None and running.cancelling():
            raise
        raise _aborted(error) from error


async def _in_thread(function: Callable[..., Any], arguments: Arguments) -> Any:
    import asyncio

    # A future would replace a TimeoutError by another and hang on StopIteration: the outcome is a value.
    result, error = await asyncio.to_thread(_outcome, function, arguments)
    if error is not None:
        raise error
    return result


def _outcome(function: Callable[..., Any], arguments: Arguments) -> tuple[Any, BaseException | None]:
    try:
        return call_sync(function, arguments), None
    except BaseException as error:
        return None, error


def _aborted(error: BaseException) -> HandlerAborted:
    return HandlerAborted(
        f"the handler ended with {type(error).__name__}" + (f": {error}" if str(error) else "")
    )


class _KeptLoop:
    """An event loop that lives as long as its thread, so that what handlers keep bound to it stays usable."""

    def __init__(self) -> None:
        import asyncio

        self.runner = asyncio.Runner()
        close = weakref.finalize(self, _close, self.runner)
        close.atexit = threading.current_thread() is threading.main_thread()


def _close(runner: asyncio.Runner) -> None:
    # When the interpreter exits no thread can be started to wait for the loop's own; it closes all the same.
    with contextlib.suppress(RuntimeError):
        runner.close()


_of_thread = threading.local()


def _loop_of_thread() -> asyncio.Runner:
    kept: _KeptLoop | None = getattr(_of_thread, "kept", None)
    if kept is None:
        _of_thread.kept = kept = _KeptLoop()
    return kept.runner
