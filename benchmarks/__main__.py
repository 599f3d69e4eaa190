"""`hatch run bench`: PGFlow and its peers, interleaved, on one PostgreSQL."""

import argparse
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import contenders, environment, report, server
from benchmarks.arena import Arena
from benchmarks.figures import Figures
from benchmarks.participant import ROOT, Contender, DriverError
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


def lineup(options: argparse.Namespace) -> list[Contender]:
    """Return the contenders that were asked for."""
    python = environment.peers_python()
    node, modules = environment.peers_node(python)
    variants = [part.partition("=") for part in options.schema]
    everyone = [
        contenders.sql_level(),
        *(contenders.sql_level(name, Path(folder)) for name, _, folder in variants),
        contenders.product(),
        *contenders.peers(python),
        *contenders.node_peers(node, modules),
    ]
    chosen = [one for one in everyone if not options.contender or one.name in options.contender]
    if missing := set(options.contender or ()) - {one.name for one in chosen}:
        raise SystemExit(
            f"bench: no contender {listed(missing)}; known: {listed(one.name for one in everyone)}"
        )
    return chosen


def play(
    arena: Arena, loads: list[Workload], everyone: list[Contender], rounds: int
) -> tuple[Figures, list[str]]:
    """Play every workload in every round, each beginning with another contender; return failures too."""
    figures: Figures = {load.name: {} for load in loads}
    failures: list[str] = []
    for number in range(rounds):
        shift = number % len(everyone)
        for load in loads:
            for contender in everyone[shift:] + everyone[:shift]:
                if not contender.knows(*load.needs):
                    continue
                try:
                    with arena.turn(contender) as turn:
                        metrics = load.play(turn)
                except DriverError as error:
                    failures.append(f"round {number + 1}, {load.name}: {error}")
                    continue
                figures[load.name].setdefault(contender.name, []).append(metrics)
                first = f"{load.shown[0]} {report.number(metrics[load.shown[0]])}"
                print(f"round {number + 1} {load.name:24} {contender.name:16} {first}", file=sys.stderr)
    return {name: dict(sorted(found.items())) for name, found in figures.items()}, failures


def draw(python: Path, result: Path) -> None:
    """Draw the plots of a result beside it."""
    command = [str(python), "-m", "benchmarks.plots", str(result)]
    subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=True)


def main() -> None:
    """Run the benchmark, write its results and draw them; exits with 1 if a driver failed."""
    options = arguments(sys.argv[1:])
    loads, everyone, drawing = workloads(options), lineup(options), environment.plots_python()
    facts: dict[str, Any] = {
        "taken_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "rounds": options.rounds,
        **environment.machine(),
    }
    with server.running(options.dsn) as postgres:
        facts |= postgres.settings
        facts |= environment.versions(environment.peers_python(), environment.WORK / "node")
        arena = Arena(postgres, environment.WORK / "logs")
        figures, failures = play(arena, loads, everyone, options.rounds)
        arena.close()
    facts["load_average_after"] = environment.machine()["load_average"]
    text = report.markdown(figures, loads, everyone, facts)
    print(text)
    written = report.write(environment.HERE / "results", options.name, text, figures, facts)
    print(written, file=sys.stderr)
    draw(drawing, written.with_suffix(".json"))
    if failures:
        raise SystemExit("bench: " + "\n".join(failures))


if __name__ == "__main__":
    main()
