"""Flows of many steps: a chain of a thousand, a layer a thousand wide, a ladder that skips one side."""

from dataclasses import dataclass

from benchmarks.arena import Turn
from benchmarks.drivers import shapes
from benchmarks.workloads.base import Metrics, per_step

BATCH = 100


@dataclass(frozen=True)
class Shape:
    """`runs` runs of a flow of many steps, after one that does not count; slow ones get `slow_runs`."""

    flow: str
    title: str
    runs: int
    slow_runs: int
    shown: tuple[str, ...] = (
        "ms_per_run",
        "steps_per_s",
        "calls_per_step",
        "wal_bytes_run_per_step",
        "row_versions_per_step",
        "index_inserts_per_step",
        "client_us_per_step",
        "server_us_per_step",
    )

    @property
    def name(self) -> str:
        """Return the workload's name, such as long-chain."""
        return self.flow.replace("_", "-")

    @property
    def needs(self) -> tuple[str, ...]:
        """Ask those that can write such a flow."""
        return ("enqueue", "drain", self.flow)

    def play(self, turn: Turn) -> Metrics:
        """Measure start and drain together; only steps that run are counted, not those that are skipped."""
        turn.warm()
        turn.driver.ask("enqueue", flow=self.flow, count=1, batch=1)
        turn.driver.ask("drain", flow=self.flow, count=1)
        runs = self.slow_runs if turn.contender.slow else self.runs
        enqueue = turn.measure("enqueue", flow=self.flow, count=runs, batch=BATCH)
        drain = turn.measure("drain", flow=self.flow, count=runs)
        steps, seconds = runs * shapes.STEPS_OF[self.flow], enqueue.seconds + drain.seconds
        return {
            "ms_per_run": seconds / runs * 1e3,
            "steps_per_s": steps / seconds,
            "wal_bytes_run_per_step": (enqueue.wal_bytes + drain.wal_bytes) / steps,
            **per_step(drain, steps),
        }


LONG_CHAIN = Shape("long_chain", f"Chain of {shapes.CHAINED:,} steps, one run", runs=1, slow_runs=1)
LAYER = Shape("layer", f"Layer of {shapes.LAYER:,} steps between two", runs=5, slow_runs=1)
LADDER = Shape("ladder", f"Ladder of {shapes.DIAMONDS} diamonds that skip a side", runs=100, slow_runs=20)
