"""P11: the drain while another session holds a snapshot, so that nothing dead can be cleaned away."""

import time
from dataclasses import dataclass
from statistics import median

import psycopg

from benchmarks.arena import Turn
from benchmarks.workloads.base import Metrics

BATCH = 100


@dataclass(frozen=True)
class HeldSnapshot:
    """A reading snapshot is held for `hold` seconds, after `before` seconds without it."""

    hold: float = 60.0
    before: float = 8.0
    portion: int = 2_000
    slow_portion: int = 200
    name: str = "held-snapshot"
    title: str = "P11 drain under a held snapshot"
    needs: tuple[str, ...] = ("enqueue", "drain")
    shown: tuple[str, ...] = ("before_per_s", "last_fifth_per_s", "kept")

    def play(self, turn: Turn) -> Metrics:
        """Measure portions that are enqueued and drained, before the hold and in its last fifth."""
        turn.warm()
        before = median(self._rates(turn, self.before))
        with psycopg.connect(turn.dsn) as holder:
            holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            holder.execute("select count(*) from pg_class")
            rates = self._rates(turn, self.hold)
        fifth = median(rates[-max(1, len(rates) // 5) :])
        return {"before_per_s": before, "last_fifth_per_s": fifth, "kept": fifth / before}

    def _rates(self, turn: Turn, seconds: float) -> list[float]:
        """Return the tasks a second of each portion's drain, for so long."""
        runs = self.slow_portion if turn.contender.slow else self.portion
        rates: list[float] = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            turn.driver.ask("enqueue", flow="single", count=runs, batch=BATCH)
            rates.append(runs / turn.driver.ask("drain", flow="single", count=runs)["seconds"])
        return rates
