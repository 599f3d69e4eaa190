"""How far a benchmark is, and how long the rest will take, by what each turn took before."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

from benchmarks.figures import Figures, values_of

TOOK = "turn_seconds"
USUAL = 10.0  # seconds of a turn, when nothing at all is known

Turn = tuple[str, str]


def taken_before(result: Path) -> dict[Turn, float]:
    """Return what the turns of an earlier result took: (workload, contender) and seconds."""
    if not result.exists():
        return {}
    figures: Figures = json.loads(result.read_text())["rounds"]
    turns = [(workload, contender) for workload, found in figures.items() for contender in found]
    return {turn: median(took) for turn in turns if (took := values_of(figures, *turn, TOOK))}


@dataclass
class Progress:
    """The turns of a whole run, in order, and what turns like them took."""

    turns: Sequence[Turn]
    known: dict[Turn, float] = field(default_factory=dict[Turn, float])
    done: int = 0

    def ended(self, seconds: float) -> None:
        """Note what the next turn took."""
        self.known[self.turns[self.done]] = seconds
        self.done += 1

    @property
    def left(self) -> float:
        """Seconds that the turns to come will take; those never seen count as the mean of the others."""
        usual = mean(self.known.values()) if self.known else USUAL
        return sum(self.known.get(turn, usual) for turn in self.turns[self.done :])

    def __str__(self) -> str:
        minutes = f", about {max(1, round(self.left / 60))} min left" if self.done < len(self.turns) else ""
        return f"{self.done}/{len(self.turns)}{minutes}"
