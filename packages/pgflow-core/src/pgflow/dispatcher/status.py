"""What a dispatcher is doing, as a value: for status pages, readiness checks and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgflow.dispatcher.problems import Problem
from pgflow.dispatcher.tally import Tally

__all__ = ["DispatcherState", "DispatcherStatus", "LaneStatus"]

DispatcherState = Literal["starting", "running", "draining", "stopped"]


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One executor's lane."""

    executor: str
    capacity: int
    under_way: int
    """Attempts that the executor has in hand."""
    unsent: int
    """Reports that the database has not acknowledged."""
    tally: Tally
    """What it counted and timed since the start; goes on counting."""
    others: int = 0
    """Attempts that other dispatchers launched for this executor and that are still open."""
    refused: str | None = None
    """Why the executor is paused until an operator acts, if its launches are refused."""

    @property
    def exchanges(self) -> int:
        """Round trips that reported or claimed."""
        return sum(self.tally.exchanges.counts)

    @property
    def claimed(self) -> int:
        """Attempts claimed."""
        return sum(number for (_, event), number in self.tally.events.items() if event == "claimed")

    @property
    def answers(self) -> Mapping[str, int]:
        """How many reports the engine answered with each status."""
        return self.tally.answers


@dataclass(frozen=True, slots=True)
class DispatcherStatus:
    """A whole dispatcher."""

    worker_id: str
    state: DispatcherState
    database_up: bool
    listening: bool
    reconnects: int
    """How often the database was lost, and is back or waited for."""
    executors_missing: tuple[str, ...]
    """Configured executors that did not start."""
    lanes: tuple[LaneStatus, ...]
    problems: tuple[Problem, ...]

    @property
    def ready(self) -> bool:
        """Whether it takes work now."""
        return self.state == "running" and self.database_up
