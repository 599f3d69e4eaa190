"""The same call until it is answered or time is up: with pauses that grow, and chance in them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Final

from pgflow.reporters.contract import Call, Reporter, Unavailable

__all__ = ["Undelivered", "deliver"]

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_LONGEST_CALL: Final = 30.0
_SHORTEST_CALL: Final = 1.0


class Undelivered(Exception):
    """Time was up before anybody answered."""


def deliver(
    reporter: Reporter, call: Call, until: float, pause: Callable[[float], None] = time.sleep
) -> Mapping[str, str]:
    """Make a call, again and again until `until` (of time.monotonic) while nobody answers; at least once.

    Raises Undelivered, or what the reporter raises for a final answer.
    """
    longest = _FIRST_PAUSE
    while True:
        left = until - time.monotonic()
        try:
            return reporter.call(call, min(_LONGEST_CALL, max(_SHORTEST_CALL, left)))
        except Unavailable as error:
            # Full jitter: tasks that lost the same server must not come back together.
            delay = max(error.retry_after or 0.0, random.uniform(0, longest))
            if time.monotonic() + delay >= until:
                raise Undelivered(str(error)) from None
        pause(delay)
        longest = min(_LONGEST_PAUSE, 2 * longest)
