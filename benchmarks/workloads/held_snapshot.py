"""P11: the drain while another session holds a snapshot, so that nothing dead can be cleaned away."""

from dataclasses import dataclass
from statistics import median

import psycopg

from benchmarks.arena import Turn
from benchmarks.workloads.base import Metrics


@dataclass(frozen=True)
class HeldSnapshot:
    """A reading snapshot is held for `hold` seconds, after `before` seconds without it."""

    hold: float = 60.0
    before: float = 8.0
    name: str = "held-snapshot"
    title: str = "P11 drain under a held snapshot"
    needs: tuple[str, ...] = ("steady",)
    shown: tuple[str, ...] = ("before_per_s", "last_fifth_per_s", "kept")

    def play(self, turn: Turn) -> Metrics:
        """Measure tasks a second of exchange time, before the hold and in its last fifth."""
        turn.driver.ask("steady", seconds=2.0)
        before = median(turn.driver.ask("steady", seconds=self.before)["slices"])
        with psycopg.connect(turn.dsn) as holder:
            holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            holder.execute("select count(*) from pg_class")
            slices = turn.driver.ask("steady", seconds=self.hold, within=self.hold + 120)["slices"]
        fifth = median(slices[-max(1, len(slices) // 5) :])
        return {"before_per_s": before, "last_fifth_per_s": fifth, "kept": fifth / before}
