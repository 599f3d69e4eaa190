"""The rounds: every workload with every contender, again and again. A turn that fails loses itself only."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks import report
from benchmarks.arena import Arena
from benchmarks.figures import Figures
from benchmarks.participant import Contender
from benchmarks.progress import TOOK, Progress, Turn
from benchmarks.workloads.base import Metrics, Workload


class Rounds:
    """Plays and keeps what was found; `failures` says which turns gave nothing."""

    def __init__(
        self,
        arena: Arena,
        loads: Sequence[Workload],
        everyone: Sequence[Contender],
        number: int,
        before: dict[Turn, float],
    ) -> None:
        self.figures: Figures = {}
        self.failures: list[str] = []
        self.ended = 0
        self.number = number
        self._arena = arena
        self._loads = loads
        self._everyone = everyone
        self._progress = Progress(
            [(load.name, one.name) for place in range(number) for load, one in self._turns(place)], before
        )

    def _turns(self, place: int) -> Iterator[tuple[Workload, Contender]]:
        """Give the turns of a round; each round begins with another contender."""
        shift = place % len(self._everyone)
        for load in self._loads:
            for contender in (*self._everyone[shift:], *self._everyone[:shift]):
                if contender.knows(*load.needs):
                    yield load, contender

    def play(self, keep: Callable[["Rounds"], object]) -> None:
        """Play all rounds; `keep` is called after each. An interrupt ends them early and is not raised."""
        print(f"bench: {self.number} rounds, {self._progress}", file=sys.stderr)
        try:
            for place in range(self.number):
                for load, contender in self._turns(place):
                    self._turn(place, load, contender)
                self.ended = place + 1
                keep(self)
        except KeyboardInterrupt:
            print("bench: interrupted; what has been measured is written", file=sys.stderr)

    def _turn(self, place: int, load: Workload, contender: Contender) -> None:
        begun = time.monotonic()
        metrics: Metrics = {}
        try:
            with self._arena.turn(contender) as turn:
                metrics = load.play(turn)
            shown = f"{load.shown[0]} {report.number(metrics[load.shown[0]])}"
        except Exception as error:  # whatever a peer does, the others go on
            said = f"round {place + 1}, {load.name}, {contender.name}: {type(error).__name__}: {error}"
            self.failures.append(said)
            shown = "FAILED"
        seconds = time.monotonic() - begun
        self._progress.ended(seconds)
        if metrics:
            metrics[TOOK] = seconds
        found = self.figures.setdefault(load.name, {}).setdefault(contender.name, [])
        found += [{}] * (place - len(found)) + [metrics]
        what = f"round {place + 1} {load.name:24} {contender.name:16} {shown}"
        print(f"{what} ({seconds:.0f} s; {self._progress})", file=sys.stderr)
