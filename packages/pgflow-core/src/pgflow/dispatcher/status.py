"""What a dispatcher is doing, as a value: for status pages, readiness checks and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgflow.dispatcher.problems import Problem

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
    exchanges: int
    """Round trips that reported or claimed, since the start."""
    claimed: int
    """Attempts claimed since the start."""
    answers: Mapping[str, int]
    """How many reports the engine answered with each status, since the start."""


@dataclass(frozen=True, slots=True)
class DispatcherStatus:
    """A whole dispatcher."""

    worker_id: str
    state: DispatcherState
    database_up: bool
    listening: bool
    lanes: tuple[LaneStatus, ...]
    problems: tuple[Problem, ...]

    @property
    def ready(self) -> bool:
        """Whether it takes work now."""
        return self.state == "running" and self.database_up
