"""`hatch run bench`: PGFlow and its peers, interleaved, on one PostgreSQL."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from benchmarks import environment, report, server
from benchmarks.arena import Arena
from benchmarks.lineup import lineup
from benchmarks.participant import ROOT, Contender
from benchmarks.progress import taken_before
from benchmarks.rounds import Rounds
from benchmarks.workloads.backlog import Backlog
from benchmarks.workloads.base import Workload
from benchmarks.workloads.chain import Chain
from benchmarks.workloads.cold_start import ColdStart
from benchmarks.workloads.contention import Contention
from benchmarks.workloads.delayed import Delayed
from benchmarks.workloads.fan import Fan
from benchmarks.workloads.held_snapshot import HeldSnapshot
from benchmarks.workloads.idle import Idle
from benchmarks.workloads.latency import Latency
from benchmarks.workloads.shape import LADDER, LAYER, LONG_CHAIN
from benchmarks.workloads.single import Single

RESULTS = environment.HERE / "results"
LONG = ("backlog", "delayed", "held-snapshot")


def listed(names: Iterable[str]) -> str:
    """Return names for a message."""
    return ", ".join(sorted(names))


def workloads(options: argparse.Namespace) -> list[Workload]:
    """Return the workloads that were asked for; without a choice, all but the LONG ones."""
    known: list[Workload] = [
        Single(),
        Chain(),
        *(
            Fan(items, payload, dependent)
            for payload, dependent in ((0, False), (0, True), (500, False))
            for items in (5_000, 20_000)
        ),
        Fan(100_000),
        LONG_CHAIN,
        LAYER,
        LADDER,
        Latency(),
        Contention(),
        Idle(),
        ColdStart(),
        HeldSnapshot(hold=options.hold),
        Backlog(rows=options.rows),
        Delayed(rows=options.rows),
    ]
    chosen = options.workload or [load.name for load in known if load.name not in LONG]
    unknown = set(chosen) - {load.name for load in known}
    if unknown:
        raise SystemExit(
            f"bench: no workload {listed(unknown)}; known: {listed(load.name for load in known)}"
        )
    return [load for load in known if load.name in chosen]


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=5, help="repetitions, interleaved (default 5)")
    parser.add_argument("-w", "--workload", action="append", help="only this workload; repeatable")
    parser.add_argument("-c", "--contender", action="append", help="only this contender; repeatable")
    parser.add_argument("--dsn", help="a superuser's DSN of a server to use instead of the embedded one")
    parser.add_argument(
        "--schema",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="another SQL-level contender with a folder's SQL files: to compare versions",
    )
    parser.add_argument("--hold", type=float, default=60.0, help="held-snapshot: seconds (default 60)")
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="backlog, delayed: rows of each kind (default 1 M)"
    )
    parser.add_argument("--name", default="latest", help="name of the result files (default latest)")
    return parser.parse_args(given)


class Result:
    """The files of a result, written after each round."""

    def __init__(
        self, name: str, loads: list[Workload], everyone: list[Contender], facts: dict[str, Any]
    ) -> None:
        self.text = ""
        self._name = name
        self._loads = loads
        self._everyone = everyone
        self._facts = facts

    def write(self, rounds: Rounds) -> Path:
        """Write what the rounds have given so far and return the path of the JSON."""
        whole = rounds.ended == rounds.number
        facts = self._facts | {
            "rounds": rounds.number if whole else f"{rounds.ended} of {rounds.number} whole",
            "turns_failed": len(rounds.failures),
            "load_average_after": environment.machine()["load_average"],
        }
        figures = {name: dict(sorted(found.items())) for name, found in rounds.figures.items()}
        self.text = report.markdown(figures, self._loads, self._everyone, facts)
        return report.write(RESULTS, self._name, self.text, figures, facts).with_suffix(".json")


def draw(result: Path) -> None:
    """Draw the plots of a result beside it."""
    command = [str(environment.plots_python()), "-m", "benchmarks.plots", str(result)]
    subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=True)


def interrupt(*_: object) -> NoReturn:
    """End the rounds as Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> None:
    """Run the benchmark, write its results and draw them; exits with 1 if anything failed or is missing."""
    options = arguments(sys.argv[1:])
    loads = workloads(options)
    everyone, failures = lineup(options.contender or (), options.schema)
    if not everyone:
        raise SystemExit("bench: nobody can take part\n" + "\n".join(failures))
    signal.signal(signal.SIGTERM, interrupt)
    facts = {"taken_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", **environment.machine()}
    if not {load.name for load in loads}.isdisjoint(LONG):
        facts |= {"rows_of_each_kind": f"{options.rows:,}", "snapshot_held_seconds": options.hold}
    with server.running(options.dsn) as postgres:
        facts |= {**postgres.settings, **environment.versions()}
        arena = Arena(postgres, environment.WORK / "logs")
        before = taken_before(RESULTS / "latest.json") | taken_before(RESULTS / f"{options.name}.json")
        rounds = Rounds(arena, loads, everyone, options.rounds, before)
        result = Result(options.name, loads, everyone, facts)
        rounds.play(keep=result.write)
        if not rounds.figures:
            raise SystemExit("bench: nothing was measured, so nothing is written")
        written = result.write(rounds)
        arena.close()
    print(result.text)
    print(written.with_suffix(".md"), file=sys.stderr)
    failures += rounds.failures
    try:
        draw(written)
    except (OSError, subprocess.CalledProcessError) as error:
        failures.append(f"the plots could not be drawn: {error}")
    if rounds.ended < rounds.number:
        failures.append(f"only {rounds.ended} of {rounds.number} rounds were played")
    if failures:
        raise SystemExit("bench: " + "\n".join(failures))


if __name__ == "__main__":
    main()
