"""What more workers and dispatchers are worth: `python -m benchmarks.scaling [-n 3]`, about five minutes.

One backlog of one-step runs, whose handlers compute or wait for a few milliseconds, is worked off by fleets
of several sizes, which take turns in every round.  A fleet is there and warm before it may begin.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pgflow import Client, Flow, Node, flow, step

from benchmarks.drivers.handlers import compute, wait
from benchmarks.fleet import children, database, dispatching, number, wait_until_done

LASTED = "select extract(epoch from max(finished_at) - min(started_at)) from pgflow.step_tasks"
WARM = 40


@flow
def computing(milliseconds: Node[int]) -> Node[int]:
    """Keep a processor busy."""
    return step(compute, milliseconds)


@flow
def waiting(milliseconds: Node[int]) -> Node[int]:
    """Wait."""
    return step(wait, milliseconds)


@dataclass(frozen=True)
class Fleet:
    """So many dispatchers with so many worker processes each."""

    dispatchers: int
    processes: int

    def __str__(self) -> str:
        return f"{self.dispatchers} x {self.processes}"


FLEETS = (Fleet(1, 1), Fleet(1, 2), Fleet(1, 4), Fleet(2, 1), Fleet(3, 1))
FLOWS: tuple[Flow[int, int], ...] = (computing, waiting)


@dataclass(frozen=True)
class Turn:
    """How one fleet did: tasks a second, and the share of all processors that was busy meanwhile."""

    rate: float
    busy: float


def busy_and_all() -> tuple[int, int]:
    """Read how long the processors have been busy, and how long there have been any, in ticks."""
    ticks = [int(part) for part in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def play(dsn: str, fleet: Fleet, work: Flow[int, int], tasks: int, milliseconds: int) -> Turn:
    """Have a fleet work off a backlog."""
    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        client = stack.enter_context(Client(dsn))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        started = [
            stack.enter_context(dispatching(dsn, folder / str(place), processes=fleet.processes))
            for place in range(fleet.dispatchers)
        ]
        client.deploy(work)
        while any(len(children(each.pid)) < fleet.processes for each in started):
            client.start_many(work, [milliseconds] * WARM)
            wait_until_done(connection)
        client.start_many(work, [milliseconds] * WARM * fleet.dispatchers * fleet.processes)
        wait_until_done(connection)
        client.pause_executor("local", "until all is there")
        connection.execute("select pgflow.prune_runs('0', 1000000)")
        client.start_many(work, [milliseconds] * tasks)
        before = busy_and_all()
        client.resume_executor("local")
        wait_until_done(connection)
        after = busy_and_all()
        rate = tasks / number(connection, LASTED)
    return Turn(rate, (after[0] - before[0]) / (after[1] - before[1]))


def rows(turns: dict[tuple[str, Fleet], list[Turn]]) -> Iterator[str]:
    """Write the table: medians, and ratios to one worker of one dispatcher in the same round."""
    yield "| handlers | dispatchers x workers | tasks a second | times one worker | range | processors busy |"
    yield "|---|---|---|---|---|---|"
    for (name, fleet), played in turns.items():
        ratios = [turn.rate / one.rate for turn, one in zip(played, turns[name, FLEETS[0]], strict=True)]
        rate, busy = (
            statistics.median(part) for part in zip(*((t.rate, t.busy) for t in played), strict=True)
        )
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        yield f"| {name} | {fleet} | {rate:,.0f} | {statistics.median(ratios):.2f} | {spread} | {busy:.0%} |"


def main(given: Sequence[str] | None = None) -> None:
    """Play all rounds and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.scaling", description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=2000, help="of one backlog (default 2000)")
    parser.add_argument("--milliseconds", type=int, default=4, help="that a handler takes (default 4)")
    chosen = parser.parse_args(given)
    turns: dict[tuple[str, Fleet], list[Turn]] = {(f.slug, fleet): [] for f in FLOWS for fleet in FLEETS}
    with database() as dsn:
        for round_number in range(chosen.rounds):
            shift = round_number % len(FLEETS)
            for work in FLOWS:
                for fleet in FLEETS[shift:] + FLEETS[:shift]:
                    turn = play(dsn, fleet, work, chosen.tasks, chosen.milliseconds)
                    turns[work.slug, fleet].append(turn)
    print("\n".join(rows(turns)))


if __name__ == "__main__":
    main()
