"""W2: runs of three steps, each fed by the one before. Start and drain together, in steps a second."""

from dataclasses import dataclass

from benchmarks.arena import Turn
from benchmarks.workloads.base import Metrics, per_step

STEPS = 3
BATCH = 100


@dataclass(frozen=True)
class Chain:
    """`slow_runs` for contenders that send several calls a step."""

    runs: int = 1_500
    slow_runs: int = 400
    name: str = "chain"
    title: str = "W2 chains of three steps"
    needs: tuple[str, ...] = ("enqueue", "drain", "chain")
    shown: tuple[str, ...] = (
        "steps_per_s",
        "drain_steps_per_s",
        "calls_per_step",
        "commits_per_step",
        "wal_bytes_per_step",
        "wal_bytes_chained",
        "row_versions_per_step",
        "index_inserts_per_step",
        "client_us_per_step",
        "server_us_per_step",
    )

    def play(self, turn: Turn) -> Metrics:
        """Measure start and drain; `wal_bytes_chained` is the whole run's WAL divided by its steps."""
        turn.warm("chain")
        runs = self.slow_runs if turn.contender.slow else self.runs
        enqueue = turn.measure("enqueue", flow="chain", count=runs, batch=BATCH)
        drain = turn.measure("drain", flow="chain", count=runs)
        steps = runs * STEPS
        return {
            "steps_per_s": steps / (enqueue.seconds + drain.seconds),
            "drain_steps_per_s": steps / drain.seconds,
            "wal_bytes_chained": (enqueue.wal_bytes + drain.wal_bytes) / steps,
            **per_step(drain, steps),
        }
