"""What becomes of an envelope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended where it ran; the engine may see it otherwise, and is right."""

    kind: Literal["completed", "failed", "released", "stopped", "undelivered"]
    """`stopped`: the attempt was not, or no longer, wanted; `undelivered`: nobody took its report."""
    reason: str
    is_running: bool = False
    """The handler could not be stopped and its thread goes on: end the process."""

    @property
    def exit_code(self) -> int:
        """0, or 1 if a report could not be delivered."""
        return int(self.kind == "undelivered")
