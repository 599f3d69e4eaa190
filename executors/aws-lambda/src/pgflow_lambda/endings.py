"""What was heard of functions that ended badly: hints, which hasten what leases and deadlines would do."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pgflow.executor import HandleRef, Observation, Phase
from pgflow.jsonb import is_object

__all__ = ["Ending", "Endings", "ending_of", "external_id_of"]

_KEPT: Final = 10_000
_LOOKS: Final = (3.0, 3.0, 3.0, 3.0)
"""Seconds after each look at an attempt that ended.

The core waits five for a report that is on its way, then has to be told once more.
"""

_LOOKS_FOR_A_COPY: Final = (2.0, 15.0, 3.0)
"""The same where another copy of the attempt may go on: it beats every ten seconds, so between two looks."""

_LONGEST_DETAIL: Final = 1000


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a function ended without a report, as far as Lambda says."""

    code: str
    detail: str
    log_tail: str | None = field(default=None, repr=False)


def ending_of(error: object, log_tail: str | None = None) -> Ending:
    """Read the `{errorType, errorMessage}` that Lambda makes of an error, a time-out or a crash."""
    told = error if is_object(error) else {}
    kind, message = str(told.get("errorType") or ""), str(told.get("errorMessage") or "")
    code = "FUNCTION_ERROR"
    if kind == "Sandbox.Timedout" or "Task timed out after" in message:
        code = "TIMEOUT"
    elif kind == "Runtime.OutOfMemory" or "signal: killed" in message:
        code = "OUT_OF_MEMORY"
    detail = " ".join(part for part in (kind, message) if part) or "the function failed"
    return Ending(code, detail[:_LONGEST_DETAIL], log_tail)


def external_id_of(envelope: object) -> str | None:
    """Name the attempt of a decoded envelope as the engine does; None for what is no envelope."""
    if not is_object(envelope):
        return None
    task = [envelope.get(name) for name in ("run_id", "step_slug", "task_index")]
    attempt = envelope.get("attempt")
    if None in task or not isinstance(attempt, int):
        return None
    digest = hashlib.sha256("/".join(map(str, task)).encode()).hexdigest()
    return f"pgf-{digest[:26]}-{attempt}"


class Endings:
    """Endings by external id, and the bell that has the core look at them."""

    def __init__(self, ring: Callable[[str], None]) -> None:
        self._ring = ring
        self._known: dict[str, Ending] = {}
        self._ringing: set[asyncio.Task[None]] = set()

    def note(self, external_id: str, ending: Ending, *, of_a_copy: bool = False) -> None:
        """Keep an ending, and have its attempt looked at; of a copy: Lambda may have delivered it twice."""
        self._known[external_id] = ending
        while len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        task = asyncio.create_task(self._ring_for(external_id, _LOOKS_FOR_A_COPY if of_a_copy else _LOOKS))
        self._ringing.add(task)
        task.add_done_callback(self._ringing.discard)

    def observation(self, ref: HandleRef) -> Observation:
        """Say what was heard of an attempt; of most there is nothing."""
        ending = self._known.get(ref.external_id or "")
        if ending is None:
            return Observation(ref, Phase.UNKNOWN)
        return Observation(ref, Phase.EXITED_ERROR, ending.code, ending.detail, ending.log_tail)

    async def close(self) -> None:
        """Ring no more."""
        for task in self._ringing:
            task.cancel()
        for task in tuple(self._ringing):
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _ring_for(self, external_id: str, looks: Sequence[float]) -> None:
        for pause in looks:
            self._ring(external_id)
            await asyncio.sleep(pause)
        self._known.pop(external_id, None)
