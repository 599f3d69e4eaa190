"""What may go wrong between a client and Lambda."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

__all__ = ["Fault", "Odds", "Refusal"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the Invoke API: nothing runs."""

    status: int
    code: str
    """The name that botocore knows it by: "TooManyRequestsException"."""
    message: str = "refused by the test"
    reason: str | None = None
    retry_after: float | None = None
    """Seconds; AWS says whole ones."""

    @classmethod
    def throttled(cls, retry_after: float | None = None) -> Refusal:
        """Too many invocations are under way."""
        reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
        return cls(429, "TooManyRequestsException", "Rate Exceeded.", reason, retry_after)


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls one request to invoke."""

    refusal: Refusal | None = None
    delay: float = 0.0
    """Seconds that the answer comes late; the invocation does not."""
    drop: bool = False
    """The invocation takes effect, and the connection ends without an answer."""
    copies: int = 1
    """How often an event is delivered."""


NOTHING: Final = Fault()


class Odds:
    """Draws a fault for each request, by a seed: `Odds(1, drop=0.05)` loses one answer in twenty."""

    def __init__(
        self, seed: int, *, drop: float = 0.0, duplicate: float = 0.0, throttle: float = 0.0
    ) -> None:
        self._random = random.Random(seed)
        self._drop = drop
        self._duplicate = duplicate
        self._throttle = throttle

    def __call__(self) -> Fault:
        """Draw the next one; faults come together, too."""
        throttled, dropped, duplicated = (
            self._random.random() < odds for odds in (self._throttle, self._drop, self._duplicate)
        )
        refusal = Refusal.throttled(1) if throttled else None
        return Fault(refusal, drop=dropped, copies=1 + duplicated)
