"""P12: a dispatcher, or a peer's worker, with nothing to do."""

from dataclasses import dataclass

from benchmarks.arena import Turn
from benchmarks.bars import PRODUCT
from benchmarks.workloads.base import Metrics


@dataclass(frozen=True)
class Idle:
    """Nothing happens for `seconds` after a little work and while polls slow down; less long for peers."""

    seconds: float = 60.0
    settling: float = 15.0
    peers_seconds: float = 20.0
    peers_settling: float = 5.0
    name: str = "idle"
    title: str = "P12 an idle dispatcher or worker"
    needs: tuple[str, ...] = ("idle",)
    shown: tuple[str, ...] = ("queries_per_s", "cpu_percent")

    def play(self, turn: Turn) -> Metrics:
        """Measure after the polls have slowed down."""
        turn.warm()
        ours = turn.contender.name == PRODUCT
        settling = self.settling if ours else self.peers_settling
        seconds = self.seconds if ours else self.peers_seconds
        cost = turn.measure("idle", settling=settling, seconds=seconds)
        return {
            "queries_per_s": cost.calls / seconds,
            "cpu_percent": 100 * cost.client_cpu / seconds,
        }
