"""A handler in a thread of its own, so that somebody can watch it; a coroutine can be cancelled."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from pgflow.runtime.allowed import find
from pgflow.runtime.call import run_handler, run_handler_async, run_to_end
from pgflow.runtime.context import Task

if TYPE_CHECKING:
    import asyncio

__all__ = ["Work"]


class Work:
    """Runs one handler once; then `output` or `error` is set."""

    def __init__(
        self, reference: str, refusal: Callable[[str], str | None], ended: Callable[[], None]
    ) -> None:
        """Take the handler's reference, why it may not run here, and whom to tell that it has ended."""
        self.output: str | None = None
        self.error: BaseException | None = None
        self._reference = reference
        self._refusal = refusal
        self._ended = ended
        self._lock = threading.Lock()
        self._cancelled = False
        self._coroutine: asyncio.Task[str] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the handler returned or raised."""
        return self.output is not None or self.error is not None

    def start(self, params: str | None, input_json: str, task: Task) -> None:
        """Import the handler and call it, in a thread that does not keep the process alive."""
        arguments = (params, input_json, task)
        threading.Thread(target=self._run, args=arguments, name="pgflow-handler", daemon=True).start()

    def cancel(self) -> bool:
        """Cancel the coroutine; False if there is none: a thread cannot be stopped."""
        with self._lock:
            self._cancelled = True
            if self._coroutine is None:
                return False
            with contextlib.suppress(RuntimeError):  # its loop closed just now
                self._coroutine.get_loop().call_soon_threadsafe(self._coroutine.cancel)
            return True

    def _run(self, params: str | None, input_json: str, task: Task) -> None:
        try:
            handler = find(self._reference, self._refusal)
            if inspect.iscoroutinefunction(handler.function):
                self.output = self._await(run_handler_async(handler, params, input_json, task=task))
            else:
                self.output = run_handler(handler, params, input_json, task=task)
        except BaseException as error:  # whatever user code raises is this attempt's failure
            self.error = error
        self._ended()

    def _await(self, coroutine: Coroutine[Any, Any, str]) -> str:
        import asyncio

        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            running = loop.create_task(coroutine)
            with self._lock:
                self._coroutine = running
                if self._cancelled:
                    running.cancel()
            return run_to_end(loop, running)
