"""P10: the items of one map run, completed one at a time by one client, by two and by four."""

from dataclasses import dataclass

from benchmarks.arena import Turn
from benchmarks.workloads.base import Metrics


@dataclass(frozen=True)
class Contention:
    """`items` in the map of four clients, half as many in the others."""

    items: int = 4_000
    name: str = "contention"
    title: str = "P10 completions of one map, one at a time"
    needs: tuple[str, ...] = ("contend",)
    shown: tuple[str, ...] = (
        "one_client_per_s",
        "two_clients_per_s",
        "four_clients_per_s",
        "speedup_of_two",
        "speedup",
    )

    def play(self, turn: Turn) -> Metrics:
        """Measure one client, then two, then four, each on a map of its own."""
        turn.warm()
        one, two, four = (
            turn.measure("contend", items=items, clients=clients).answer["per_s"]
            for clients, items in ((1, self.items // 2), (2, self.items // 2), (4, self.items))
        )
        return {
            "one_client_per_s": one,
            "two_clients_per_s": two,
            "four_clients_per_s": four,
            "speedup_of_two": two / one,
            "speedup": four / one,
        }
