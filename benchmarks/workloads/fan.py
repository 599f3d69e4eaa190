"""W3: one run that maps over N items and reduces them."""

from dataclasses import dataclass

from benchmarks.arena import Turn
from benchmarks.workloads.base import Metrics, per_step

PEERS_ITEMS = 5_000


@dataclass(frozen=True)
class Fan:
    """A map of `items` items of `payload` bytes (0: integers), over the run's input or a step's output."""

    items: int
    payload: int = 0
    dependent: bool = False
    shown: tuple[str, ...] = (
        "seconds",
        "us_per_item",
        "calls_per_step",
        "wal_bytes_per_step",
        "row_versions_per_step",
        "index_inserts_per_step",
        "client_us_per_step",
        "server_us_per_step",
    )

    @property
    def needs(self) -> tuple[str, ...]:
        """Ask peers for the small plain map only: theirs grow with the number of items, and take minutes."""
        plain = self.items <= PEERS_ITEMS and not self.payload and not self.dependent
        return ("enqueue", "drain", "fan") if plain else ("enqueue", "drain", "fan", "growth")

    @property
    def name(self) -> str:
        """Return the workload's name, such as fan-5000-500b-dependent."""
        payload = f"-{self.payload}b" if self.payload else ""
        return f"fan-{self.items}{payload}{'-dependent' if self.dependent else ''}"

    @property
    def title(self) -> str:
        """Return the heading of its table."""
        payload = f" of {self.payload} bytes" if self.payload else ""
        over = "over a step's output" if self.dependent else "over the run's input"
        return f"W3 map of {self.items:,} items{payload} {over}, and reduce"

    def play(self, turn: Turn) -> Metrics:
        """Measure one run from its start to its end."""
        turn.warm()
        cost = turn.measure("fan", items=self.items, payload=self.payload, dependent=self.dependent)
        return {
            "seconds": cost.seconds,
            "us_per_item": cost.seconds / self.items * 1e6,
            **per_step(cost, self.items),
        }
