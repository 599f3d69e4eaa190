"""W1: runs of one step. Enqueue a hundred a call, drain them, then enqueue one by one."""

from dataclasses import dataclass

from benchmarks.arena import Turn
from benchmarks.workloads.base import Metrics, per_step

BATCH = 100


@dataclass(frozen=True)
class Single:
    """`runs` for contenders that batch, `slow_runs` for those that send several calls a task."""

    runs: int = 10_000
    slow_runs: int = 1_000
    one_by_one: int = 500
    name: str = "single"
    title: str = "W1 runs of one step"
    needs: tuple[str, ...] = ("enqueue", "drain")
    shown: tuple[str, ...] = (
        "drain_per_s",
        "enqueue_per_s",
        "enqueue_one_per_s",
        "calls_per_step",
        "wal_bytes_enqueue",
        "wal_bytes_per_step",
        "wal_bytes_run",
        "row_versions_per_step",
        "index_inserts_per_step",
        "client_us_per_step",
        "server_us_per_step",
    )

    def play(self, turn: Turn) -> Metrics:
        """Measure enqueue and drain; `wal_bytes_run` is both together, a run from its start to its end."""
        turn.warm()
        runs = self.slow_runs if turn.contender.slow else self.runs
        enqueue = turn.measure("enqueue", flow="single", count=runs, batch=BATCH)
        drain = turn.measure("drain", flow="single", count=runs)
        one = turn.measure("enqueue", flow="single", count=self.one_by_one, batch=1)
        return {
            "drain_per_s": runs / drain.seconds,
            "enqueue_per_s": runs / enqueue.seconds,
            "enqueue_one_per_s": self.one_by_one / one.seconds,
            "wal_bytes_enqueue": enqueue.wal_bytes / runs,
            "wal_bytes_run": (enqueue.wal_bytes + drain.wal_bytes) / runs,
            **per_step(drain, runs),
        }
