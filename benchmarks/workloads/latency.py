"""W4: an idle system. From enqueue to a handler's start, and from a handler's end to the next start."""

from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.arena import Turn
from benchmarks.workloads.base import Metrics


@dataclass(frozen=True)
class Latency:
    """`samples` runs, `gap` seconds apart."""

    samples: int = 40
    gap: float = 0.1
    name: str = "latency"
    title: str = "W4 latency on an idle system, milliseconds"
    needs: tuple[str, ...] = ("latency",)
    shown: tuple[str, ...] = ("start_p50", "start_p95", "next_p50", "next_p95")

    def play(self, turn: Turn) -> Metrics:
        """Measure one run after the other."""
        answer = turn.measure("latency", samples=self.samples, gap=self.gap).answer
        return {
            f"{name}_{point}": value
            for name in ("start", "next")
            for point, value in (
                ("p50", median(answer[f"{name}_ms"])),
                ("p95", quantiles(answer[f"{name}_ms"], n=20)[-1]),
            )
        }
