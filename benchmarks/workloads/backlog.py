"""W5, P7: the drain with many rows already there, against the same drain on an empty database."""

from dataclasses import dataclass
from statistics import median

from benchmarks.arena import Turn
from benchmarks.workloads.base import Metrics

BATCH = 100
DRAINS = 5


@dataclass(frozen=True)
class Backlog:
    """`rows` runs that are queued, ended or delayed lie there; `runs` are drained beside them."""

    rows: int = 1_000_000
    runs: int = 10_000
    name: str = "backlog"
    title: str = "W5 drain with rows already there"
    needs: tuple[str, ...] = ("fill", "enqueue", "drain")
    shown: tuple[str, ...] = ("empty_per_s", "delayed_kept", "ended_kept", "queued_kept")

    def play(self, turn: Turn) -> Metrics:
        """Measure on the empty database, then add delayed, ended and queued rows, one kind at a time."""
        turn.warm()
        empty = self._rate(turn)
        metrics = {"empty_per_s": empty}
        for state in ("delayed", "ended", "queued"):
            turn.driver.ask("fill", state=state, count=self.rows, within=3600)
            metrics[f"{state}_kept"] = self._rate(turn) / empty
        return metrics

    def _rate(self, turn: Turn) -> float:
        """Return the median of DRAINS drains: one alone is at the mercy of the machine."""
        rates: list[float] = []
        for _ in range(DRAINS):
            turn.driver.ask("enqueue", flow="single", count=self.runs, batch=BATCH)
            rates.append(self.runs / turn.measure("drain", flow="single", count=self.runs).seconds)
        return median(rates)
