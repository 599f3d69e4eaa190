"""When a lane's next exchange is due: at once when that is quicker, in batches when there is much to do.

Pure arithmetic on a clock that is handed in, in seconds; no I/O.
"""

from __future__ import annotations

import math
import random
from typing import Final

__all__ = ["Pace"]

_SPACING: Final = 0.005
"""Seconds between two exchanges of a busy lane: fewer calls, and never more than this added to a report."""

_FIRST_POLL: Final = 0.1

_RECHECK: Final = 0.05
"""Seconds after which to ask an executor without room for its capacity again: it may grow by itself."""

_LEAST_WAKE: Final = 1.0
"""Seconds between fruitless polls, at most, where timers are dense: most are leases of ended tasks."""


class Pace:
    """Decides when to exchange, from what is waiting, what is under way and what the last exchanges found."""

    def __init__(self, now: float) -> None:
        self.hungry = True
        """There may be work: cleared before a claim, never after it, so that no wake-up is lost."""
        self._last_start = -math.inf
        self._poll_delay = _FIRST_POLL
        self._next_poll = now

    def ring(self) -> None:
        """Take note that there may be work."""
        self.hungry = True
        self._poll_delay = _FIRST_POLL

    def delay(self, now: float, *, reports: int, used: int, free: int) -> float:
        """Say in how many seconds an exchange is due; infinite: not before something happens.

        `used` counts the attempts under way, `free` the slots that may be claimed for.
        """
        paced = max(0.0, self._last_start + _SPACING - now)
        if reports:
            half = max(1, (used + free) // 2)
            return 0.0 if used == 0 or reports >= half else paced
        if free <= 0:
            return _RECHECK if self.hungry or used == 0 else math.inf
        if self.hungry:
            return 0.0 if used == 0 else paced
        return max(0.0, self._next_poll - now)

    def begin(self, now: float, asked: int) -> None:
        """An exchange starts that claims at most `asked` tasks."""
        self._last_start = now
        if asked:
            self.hungry = False
            self._next_poll = math.inf

    def end(self, now: float, *, asked: int, got: int, wake_in: float | None, longest_poll: float) -> None:
        """An exchange claimed `got` tasks; the next parked one becomes ready in `wake_in` seconds.

        Idle polls come at doubling intervals, up to `longest_poll` seconds.
        """
        if not asked:
            return
        if got:
            self._poll_delay = _FIRST_POLL
        if got == asked:
            self.hungry = True
        delay = min(self._poll_delay, longest_poll) * random.uniform(0.75, 1.0)
        if not got:
            self._poll_delay = min(self._poll_delay * 2, longest_poll)
        if wake_in is not None:
            floor = 0.0 if got else min(self._poll_delay, _LEAST_WAKE)
            delay = min(delay, max(wake_in, floor))
        self._next_poll = min(self._next_poll, now + delay)
