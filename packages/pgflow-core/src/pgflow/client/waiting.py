"""How to wait for a run, and what its end means: the part that both clients share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from pgflow.client.models import RunDetail
from pgflow.errors import DatabaseUnreachable, NotPossible, RunCancelled, RunFailed

if TYPE_CHECKING:
    from pgflow.dsl import Flow

__all__ = ["Decode", "Patience", "check_idle", "concerns", "decoder", "list_pause", "outcome", "raw_output"]

Out = TypeVar("Out")

Decode = Callable[[RunDetail], Out]

_FIRST: Final = 0.02
_LONGEST: Final = 1.0
_FIRST_HEARING: Final = 0.5
_LONGEST_HEARING: Final = 5.0
_LIST_SECONDS: Final = 1.0
_LIST_SHARE: Final = 10.0
"""A list that is slow to read is read seldom: a tenth of one connection's time at the most."""
_OUTAGE_SECONDS: Final = 60.0
"""How long a wait without a timeout outlives the database."""


class Patience:
    """Says how long to wait before the next look at a run; raises TimeoutError when the time is up."""

    def __init__(self, run_id: UUID | None, timeout: float | None, *, closely: bool = False) -> None:
        self._run_id = run_id
        self._closely = closely
        self._timeout = timeout
        self._began = time.monotonic()
        self._pause = _FIRST
        self._unreachable_since: float | None = None

    def pause(self, *, hears: bool) -> float:
        """Say how many seconds to wait; `hears`: the end of the run would interrupt it.

        Who watches `closely` wants to know more than the end, which is all that can be heard.
        """
        now = time.monotonic()
        left = float("inf") if self._timeout is None else self._began + self._timeout - now
        if left <= 0:
            raise TimeoutError(f"run {self._run_id} has not ended after {self._timeout:g} s; it goes on")
        seldom = hears and not self._closely
        shortest, longest = (_FIRST_HEARING, _LONGEST_HEARING) if seldom else (_FIRST, _LONGEST)
        pause = max(self._pause, shortest)
        self._pause = min(pause * 1.5, longest)
        return min(pause, left)

    def reached(self, *, changed: bool = False) -> None:
        """The database answered; if something changed, look more often again."""
        self._unreachable_since = None
        if changed:
            self._pause = _FIRST

    def excuse(self, error: DatabaseUnreachable) -> None:
        """Let the database be away for a while: raises the error after a minute of it."""
        now = time.monotonic()
        if self._unreachable_since is None:
            self._unreachable_since = now
        if now - self._unreachable_since > _OUTAGE_SECONDS:
            raise error


def list_pause(spent: float) -> float:
    """Say how many seconds to wait before the next look at a list whose last look took `spent` seconds."""
    return max(_LIST_SECONDS, _LIST_SHARE * spent)


def concerns(payload: str, run_id: UUID) -> bool:
    """Tell whether a notification says that the run ended; `*` is for too many to name."""
    return payload == "*" or str(run_id) in payload


def check_idle(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Raise NotPossible if a connection that was lent to us is inside a transaction."""
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        raise NotPossible(
            "the connection is inside a transaction, so a run started in it is not there yet for anybody: "
            "commit, then wait"
        )


def decoder(flow: Flow[Any, Out]) -> Decode[Out]:
    """Read a run's result with the types of its flow."""
    return lambda run: flow.decode_output(
        {s.step_slug: s.output for s in run.steps if s.status == "completed"}
    )


def raw_output(run: RunDetail) -> Any:
    """Take a run's output as it is: an object of step slug -> output."""
    return run.output


def outcome(run: RunDetail, decode: Decode[Out]) -> Out:
    """Return what an ended run came to; raises RunFailed or RunCancelled."""
    error = run.error or {}
    if run.status == "cancelled":
        reason = error.get("message")
        raise RunCancelled(run.run_id, None if reason == "cancelled" else reason)
    if run.status == "failed":
        failure = RunFailed(run.run_id, error)
        traceback = error.get("traceback")
        if traceback:
            failure.add_note(f"In the handler:\n{traceback}")
        raise failure
    return decode(run)
