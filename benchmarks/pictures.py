"""Which metrics are drawn; the drawing is `plots`', in an environment with matplotlib."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plot:
    """One metric of one workload for all contenders, the best first."""

    name: str
    workload: str
    metric: str
    title: str
    less_is_better: bool = False


PLOTS = (
    Plot("drain", "single", "drain_per_s", "Runs of one step drained a second (more is better)"),
    Plot("chain", "chain", "steps_per_s", "Steps of three-step chains a second (more is better)"),
    Plot("wal", "chain", "wal_bytes_chained", "WAL bytes of a chained step (fewer is better)", True),
    Plot("map", "fan-5000", "seconds", "Map of 5,000 items and reduce, seconds (fewer is better)", True),
    Plot("latency", "latency", "start_p50", "Enqueue to start, median ms (fewer is better)", True),
    Plot("long-chain", "long-chain", "ms_per_run", "Chain of 1,000 steps, ms (fewer is better)", True),
    Plot("layer", "layer", "ms_per_run", "Layer of 1,000 steps between two, ms (fewer is better)", True),
    Plot("ladder", "ladder", "ms_per_run", "Ladder of 25 diamonds, ms (fewer is better)", True),
    Plot("idle", "idle", "cpu_percent", "Idle: percent of a processor (fewer is better)", True),
)
