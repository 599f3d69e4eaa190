"""What a check does to the remote place of an executor: faults to cause, and things to count."""

from __future__ import annotations

from typing import NoReturn

import pytest
from pgflow.executor import Attempt

__all__ = ["FaultBackend"]


class FaultBackend:
    """The remote place as a test commands it.

    Subclass it and define what your stand-in can do; a check that needs more is skipped and says what.
    A fault is for the next start request, once, unless it names an attempt.
    """

    def drop_response(self) -> None:
        """Let the next start request take effect, and lose its answer."""
        self._cannot("drop a response")

    def delay(self, seconds: float) -> None:
        """Let the answer to the next start request come that late."""
        self._cannot("delay a response")

    def throttle(self, retry_after: float) -> None:
        """Refuse the next start request for now; it may come again after so many seconds."""
        self._cannot("throttle")

    def refuse(self) -> None:
        """Refuse the next start request for good: no such image, no such function."""
        self._cannot("refuse for good")

    def deny(self) -> None:
        """Refuse the next start request for want of rights."""
        self._cannot("deny access")

    def duplicate_delivery(self) -> None:
        """Run what the next start request asks for twice, as at-least-once queues do."""
        self._cannot("deliver twice")

    def delete_remote(self, attempt: Attempt) -> None:
        """Make the attempt vanish, its code with it."""
        self._cannot("delete what runs")

    def kill_task(self, attempt: Attempt) -> None:
        """Kill the attempt's code, so that it ends without a report."""
        self._cannot("kill a task")

    def freeze(self, attempt: Attempt) -> None:
        """Stop the attempt's code without ending it."""
        self._cannot("freeze a task")

    def requests(self, attempt: Attempt) -> int:
        """Count the start requests that arrived for the attempt: at the wire, not in the executor."""
        self._cannot("count requests")

    def executions(self, attempt: Attempt) -> int:
        """Count the copies of the attempt's code that were started."""
        self._cannot("count executions")

    def reads(self) -> int:
        """Count all requests that looked at something."""
        self._cannot("count reads")

    def exposed(self) -> str:
        """Return what others than the task may see: names, labels, URLs, queue attributes."""
        self._cannot("show names and labels")

    def can(self, *faults: str) -> list[str]:
        """Return those of the faults that this backend can make."""
        return [name for name in faults if getattr(type(self), name) is not getattr(FaultBackend, name)]

    def _cannot(self, what: str) -> NoReturn:
        pytest.skip(f"{type(self).__name__} cannot {what}")
