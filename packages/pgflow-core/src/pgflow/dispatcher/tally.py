"""What a lane counts and times: plain numbers, cheap to add to, read by whoever exports them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, Literal

__all__ = ["BOUNDS", "OTHER_FLOWS", "Event", "Histogram", "Tally"]

BOUNDS: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1800.0,
    3600.0,
)
"""Upper bounds of a histogram's buckets, in seconds; the last bucket has none."""

OTHER_FLOWS: Final = "(other)"
_MOST_FLOWS: Final = 100
"""Flows counted by name; all further ones together: a metric's labels must not grow without end."""

Event = Literal["claimed", "started", "completed", "failed", "retried", "released", "lost"]

_EVENT_OF_ANSWER: Final[Mapping[str, Event]] = {
    "completed": "completed",
    "failed": "failed",
    "retrying": "retried",
    "released": "released",
}
"""What a report's answer counts as."""


class Histogram:
    """How many durations fell into each bucket."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Tally:
    """The counts of one lane since it began."""

    def __init__(self) -> None:
        self.exchanges = Histogram()
        """Round trips that reported or claimed."""
        self.answers: Counter[str] = Counter()
        """What the engine answered to reports."""
        self.events: defaultdict[tuple[str, Event], int] = defaultdict(int)
        """By flow."""
        self.runs: defaultdict[str, Histogram] = defaultdict(Histogram)
        """From claim to report, by flow."""
        self.waits: defaultdict[str, Histogram] = defaultdict(Histogram)
        """From ready to claimed, by flow; of a sample of the tasks."""
        self._flows: set[str] = set()

    def count(self, flow: str, event: Event) -> None:
        """Count something that happened to an attempt."""
        self.events[self._label(flow), event] += 1

    def answered(self, flow: str, status: str) -> None:
        """Count what the engine answered to an attempt's report."""
        self.answers[status] += 1
        event = _EVENT_OF_ANSWER.get(status)
        if event is not None:
            self.count(flow, event)

    def ran(self, flow: str, seconds: float) -> None:
        """Count how long an attempt was under way."""
        self.runs[self._label(flow)].add(seconds)

    def waited(self, flows: Sequence[str], seconds: Sequence[float]) -> None:
        """Count for how long tasks had been ready."""
        for flow, wait in zip(flows, seconds, strict=True):
            self.waits[self._label(flow)].add(wait)

    def _label(self, flow: str) -> str:
        if flow in self._flows:
            return flow
        if len(self._flows) < _MOST_FLOWS:
            self._flows.add(flow)
            return flow
        return OTHER_FLOWS
