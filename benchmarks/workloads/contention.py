"""P10: the items of one map run, completed one at a time by one client and by four."""

from dataclasses import dataclass

from benchmarks.arena import Turn
from benchmarks.workloads.base import Metrics

CLIENTS = 4


@dataclass(frozen=True)
class Contention:
    """`items` in each of the two maps."""

    items: int = 4_000
    name: str = "contention"
    title: str = "P10 completions of one map, one at a time"
    needs: tuple[str, ...] = ("contend",)
    shown: tuple[str, ...] = ("one_client_per_s", "four_clients_per_s", "speedup")

    def play(self, turn: Turn) -> Metrics:
        """Measure one client, then four."""
        turn.warm()
        one = turn.measure("contend", items=self.items // 2, clients=1).answer["per_s"]
        four = turn.measure("contend", items=self.items, clients=CLIENTS).answer["per_s"]
        return {"one_client_per_s": one, "four_clients_per_s": four, "speedup": four / one}
