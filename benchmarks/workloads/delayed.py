"""W5: how long a claim of one task takes with very many delayed tasks there."""

from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.arena import Turn
from benchmarks.workloads.backlog import fill
from benchmarks.workloads.base import Metrics


@dataclass(frozen=True)
class Delayed:
    """`samples` claims of one task on an empty database, then beside `rows` runs that start in a day."""

    rows: int = 1_000_000
    samples: int = 500
    name: str = "delayed"
    title: str = "W5 a claim beside delayed tasks, milliseconds"
    needs: tuple[str, ...] = ("claims", "enqueue", "drain", "delay")
    shown: tuple[str, ...] = ("empty_p50", "empty_p95", "delayed_p50", "delayed_p95", "p50_ratio")

    def play(self, turn: Turn) -> Metrics:
        """Measure the claims before and after the delayed runs are there."""
        turn.warm()
        metrics = self._claims(turn, "empty")
        fill(turn, "delayed", self.rows)
        metrics |= self._claims(turn, "delayed")
        return metrics | {"p50_ratio": metrics["delayed_p50"] / metrics["empty_p50"]}

    def _claims(self, turn: Turn, what: str) -> Metrics:
        taken = turn.measure("claims", samples=self.samples).answer["claim_ms"]
        return {f"{what}_p50": median(taken), f"{what}_p95": quantiles(taken, n=20)[-1]}
