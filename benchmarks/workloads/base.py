"""What a workload is, and the figures that every operation gives."""

from typing import Protocol

from benchmarks.arena import Turn
from benchmarks.measure import Cost

Metrics = dict[str, float]


class Workload(Protocol):
    """One thing that is measured. `shown` are the metrics of its table, in order."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def needs(self) -> tuple[str, ...]: ...

    @property
    def shown(self) -> tuple[str, ...]: ...

    def play(self, turn: Turn) -> Metrics:
        """Measure a contender once."""
        ...


def per_step(cost: Cost, steps: int) -> Metrics:
    """Return what a step cost: calls, WAL, processor time (microseconds), counts of the WAL's records."""
    metrics = {
        "calls_per_step": cost.calls / steps,
        "wal_bytes_per_step": cost.wal_bytes / steps,
        "client_us_per_step": cost.client_cpu / steps * 1e6,
        "server_us_per_step": cost.server_cpu / steps * 1e6,
    }
    counts = dict(cost.records)
    if counts:
        counts["row_versions"] = counts["row_inserts"] + counts["row_updates"] + counts["hot_updates"]
    return metrics | {f"{name}_per_step": count / steps for name, count in counts.items()}
