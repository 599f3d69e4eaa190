"""W5, P7: the drain with many rows already there, against the same drain on an empty database."""

from dataclasses import dataclass
from statistics import median

from benchmarks.arena import Turn
from benchmarks.workloads.base import Metrics

BATCH = 100
DRAINS = 5
FILL = 50_000
FILL_BATCH = 1_000
A_DAY = 86_400.0


def fill(turn: Turn, state: str, rows: int) -> None:
    """Put so many runs there that are queued, ended, or delayed by a day, and let them come to rest."""
    due = {"delay": A_DAY} if state == "delayed" else {}
    for done in range(0, rows, FILL):
        count = min(FILL, rows - done)
        turn.driver.ask("enqueue", flow="single", count=count, batch=FILL_BATCH, **due)
        if state == "ended":
            turn.driver.ask("drain", flow="single", count=count)
    turn.settle()


@dataclass(frozen=True)
class Backlog:
    """`rows` runs that are queued, ended or delayed lie there; `runs` are drained beside them."""

    rows: int = 1_000_000
    runs: int = 10_000
    name: str = "backlog"
    title: str = "W5 drain with rows already there"
    needs: tuple[str, ...] = ("enqueue", "drain", "delay")
    shown: tuple[str, ...] = ("empty_per_s", "delayed_kept", "ended_kept", "queued_kept")

    def play(self, turn: Turn) -> Metrics:
        """Measure on the empty database, then add delayed, ended and queued rows, one kind at a time."""
        turn.warm()
        empty = self._rate(turn)
        metrics = {"empty_per_s": empty}
        for state in ("delayed", "ended", "queued"):
            fill(turn, state, self.rows)
            metrics[f"{state}_kept"] = self._rate(turn) / empty
        return metrics

    def _rate(self, turn: Turn) -> float:
        """Return the median of DRAINS drains: one alone is at the mercy of the machine."""
        rates: list[float] = []
        for _ in range(DRAINS):
            turn.driver.ask("enqueue", flow="single", count=self.runs, batch=BATCH)
            rates.append(self.runs / turn.measure("drain", flow="single", count=self.runs).seconds)
        return median(rates)
