"""The tables of figures in docs/explanation: `python -m benchmarks.pages` writes them anew.

A page has a line `<!-- table NAME -->`, the table, and a line `<!-- end -->`. What stands between them comes
from `results/latest.json`, `growth.json` and `profile.json`; a test says when a page and the results differ.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks import capacity
from benchmarks.bars import PRODUCT, SQL, judge
from benchmarks.capacity import DAY, MILLIONS, PEAK, Step
from benchmarks.figures import Figures, spread, values_of
from benchmarks.participant import ROOT
from benchmarks.profile_report import shares
from benchmarks.report import cell, number, table

PAGES = tuple(ROOT / "docs" / "explanation" / name for name in ("benchmarks.md", "scaling.md"))
BLOCK = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
EVERYONE = (PRODUCT, SQL, "graphile-worker", "pg-boss", "absurd", "pgqueuer", "procrastinate", "dbos")
NAMES = {PRODUCT: "**PGFlow**, dispatcher and local executor", SQL: "**PGFlow**, SQL functions"}
HOTTEST = 5
WAITING = ("EpollSelector.select", "Connection.wait", "Condition.wait", "_receive ", "Thread._wait")


@dataclass(frozen=True)
class Results:
    """What the folder of results holds."""

    folder: Path = ROOT / "benchmarks" / "results"

    def _read(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text())

    @cached_property
    def figures(self) -> Figures:
        """The rounds of the benchmark."""
        rounds: Figures = self._read("latest")["rounds"]
        return rounds

    @cached_property
    def long(self) -> Figures:
        """The rounds of the long workloads; none where they have not been run."""
        rounds: Figures = self._read("long")["rounds"] if (self.folder / "long.json").exists() else {}
        return rounds

    @cached_property
    def step(self) -> Step:
        """The cost of a step."""
        return capacity.step_of(self.figures)

    @cached_property
    def growth(self) -> dict[str, Any]:
        """The rows of the growth, by action."""
        return {row["action"]: row for row in self._read("growth")["rows"]}

    @cached_property
    def profiles(self) -> list[dict[str, Any]]:
        """The cases of the profile."""
        cases: list[dict[str, Any]] = self._read("profile")["cases"]
        return cases


def costs(results: Results, workload: str, head: Sequence[str], metrics: Sequence[str]) -> str:
    """Return a table of metrics, a row for each contender that has them, medians."""
    rows: list[list[str]] = []
    for name in EVERYONE:
        found = [values_of(results.figures, workload, name, metric) for metric in metrics]
        if all(found):
            rows.append([NAMES.get(name, name), *(number(spread(values).middle) for values in found)])
    return table(["", *head], rows)


def one_step(results: Results) -> str:
    """What a run of one step costs."""
    head = ("SQL calls", "WAL bytes, enqueue + run", "row versions", "index entries")
    metrics = ("calls_per_step", "wal_bytes_run", "row_versions_per_step", "index_inserts_per_step")
    return costs(results, "single", head, metrics)


def chained(results: Results) -> str:
    """What a step of a chain costs."""
    head = ("SQL calls", "commits", "WAL bytes", "row versions", "index entries")
    metrics = ("calls_per_step", "commits_per_step", "wal_bytes_chained")
    return costs(results, "chain", head, (*metrics, "row_versions_per_step", "index_inserts_per_step"))


def near(results: Results) -> str:
    """The bars that are missed."""
    missed = [one for one in judge(results.figures) if not one.met]
    rows = [[one.label, one.against, one.bar, cell(one.measured)] for one in missed]
    return table(["bar", "against", "asked", "measured"], rows or [["none", "", "", ""]])


def _busiest(frames: Sequence[Mapping[str, Any]]) -> str:
    busy = [one for one in frames if not one["function"].startswith(WAITING)]
    return ", ".join(f"`{one['function']}` {one['own']:.0%}" for one in busy[:3])


def profiled(results: Results) -> str:
    """Where the time of each profiled case goes."""
    rows: list[list[str]] = []
    for case in results.profiles:
        own = sum(one["own_ms"] for one in case["functions"]) or 1.0
        hot = case["functions"][:HOTTEST]
        server = ", ".join(f"`{one['name']}` {one['own_ms'] / own:.0%}" for one in hot)
        clients = [f"{name}: {_busiest(seen['frames'])}" for name, seen in case["looks"].items()]
        spent = f"{number(case['server_us'])} / {number(case['client_us'])}"
        server += f"; sessions {shares(dict(list(case['waits'].items())[:3]))}"
        rows.append([f"`{case['name']}`, a {case['unit']}", spent, server, "; ".join(clients)])
    return table(
        ["", "us of the server / of its clients", "plpgsql functions, own time", "Python, but for waiting"],
        rows,
    )


LONG = (
    ("drained a second under an old snapshot, of that before", "held-snapshot", "kept"),
    ("drained a second beside delayed runs, of that on an empty database", "backlog", "delayed_kept"),
    ("beside ended runs as well", "backlog", "ended_kept"),
    ("beside queued runs as well", "backlog", "queued_kept"),
    ("a claim beside delayed runs, times one on an empty database", "delayed", "p50_ratio"),
)


def long_ones(results: Results) -> str:
    """What becomes of everybody under an old snapshot, and beside many rows."""
    names = [name for name in EVERYONE if any(name in found for found in results.long.values())]
    if not names:
        return "They have not been run for this version."
    rows: list[list[str]] = []
    for label, workload, metric in LONG:
        found = [values_of(results.long, workload, name, metric) for name in names]
        rows.append([label, *(cell(spread(values)) if values else "-" for values in found)])
    return table(["", *names], rows)


def step_costs(results: Results) -> str:
    """What a step costs, and where that stands."""
    step = results.step
    start = f"workload `single`, {step.starts:,.0f} starts a second, a third of one each"
    rows = [
        [
            "the database, to run it",
            f"{step.run_us:.1f} us of a core",
            "workload `chain`, `server us per step`",
        ],
        [
            "the database, to start its run, a hundred a call",
            f"{step.start_us:.1f} us of a core at most",
            start,
        ],
        ["dispatcher and workers", f"{step.client_us:.1f} us of a core", "`client us per step`"],
        ["WAL, start and run", f"{step.wal_bytes:,.0f} bytes", "`wal bytes chained`"],
        ["SQL calls, commits", f"{step.calls:.2f}, {step.commits:.2f}", "`calls`, `commits per step`"],
    ]
    return table(["a step costs", "", "from"], rows)


def day(results: Results) -> str:
    """What 100 million steps a day need."""
    step, even = results.step, MILLIONS * 1e6 / DAY
    loads = [capacity.load(step, rate) for rate in (even, PEAK * even, step.measured)]
    rows = [
        ["steps a second", *(f"{one.rate:,.0f}" for one in loads)],
        [f"cores of the database (x {step.server_us:.1f} us)", *(f"{one.server_cores:.2f}" for one in loads)],
        [f"cores of dispatchers and workers (x {step.client_us:.1f} us)"]
        + [f"{one.client_cores:.2f}" for one in loads],
        [f"WAL, MB a second (x {step.wal_bytes:,.0f} bytes)", *(f"{one.wal_mb:.1f}" for one in loads)],
        [f"commits a second (x {step.commits:.3f})", *(f"{one.commits:,.0f}" for one in loads)],
    ]
    return table(
        ["", f"{MILLIONS} M steps, evenly over the day", "an hour of five times that", "measured"], rows
    )


def servers(results: Results) -> str:
    """What servers with so many cores carry."""
    rows: list[list[str]] = []
    for size in capacity.OWN:
        one = capacity.load(results.step, capacity.by_cores(results.step, size.cores))
        day = f"{one.rate * DAY / 1e9:.1f} billion"
        beside = f"{one.client_cores:.1f}, {capacity.dispatchers(results.step, one.rate)}"
        rows.append([size.name, f"{one.rate:,.0f}", day, f"{one.wal_mb:.0f}", f"{one.commits:,.0f}", beside])
    head = (
        "cores",
        "steps a second",
        "a day",
        "WAL, MB a second",
        "commits a second",
        "cores, dispatchers beside",
    )
    return table(head, rows)


def supabase(results: Results) -> str:
    """What the sizes of a service carry."""
    rows: list[list[str]] = []
    stored = _stored(results)
    for size in capacity.SUPABASE:
        disk_mb = min(size.disk_mb, capacity.GP3)
        cores = capacity.by_cores(results.step, size.cores) if size.cores else None
        disk = capacity.by_disk(results.step, disk_mb)
        rows.append(
            [
                size.name,
                f"{cores:,.0f}" if cores else "shared",
                f"{disk:,.0f} ({disk_mb:.0f} MB/s)",
                f"{min(disk, cores) * DAY / 1e6:,.0f} M" if cores else "-",
                f"{size.recommended_gb * 1e9 / stored / 1e6:,.0f} M",
                f"{size.connections // 2 // capacity.DISPATCHER_CONNECTIONS}",
            ]
        )
    head = ["size", "steps a second, half its cores", "a third of its disk", "a day, the lower of both"]
    return table([*head, "steps that its database may hold", "dispatchers on half its connections"], rows)


def _stored(results: Results) -> float:
    """Return the bytes that an ended step keeps, with its indexes, when all are there."""
    row = results.growth["vacuum after part 10"]
    megabytes: float = row["table_mb"] + row["index_mb"]
    return megabytes * 1e6 / int(row["kept"])


def grown(results: Results) -> str:
    """What steps weigh, and what vacuum costs, with few and with many of them there."""
    first, last = ("part 1", "part 10")
    columns = [_grown(results, part) for part in (first, last)]
    labels = (
        "tables, bytes a step, after vacuum",
        "indexes, bytes a step",
        "WAL of starting and running a step, bytes",
        "processor of the server, to run the last million, us a step",
        "vacuum of the last million, seconds",
        "processor of that vacuum, us a step",
    )
    rows = [[label, *cells] for label, *cells in zip(labels, *columns, strict=True)]
    return table(["", "with 1 million steps", "with 10 million"], rows)


def _grown(results: Results, part: str) -> list[str]:
    filled, vacuum = results.growth[part], results.growth[f"vacuum after {part}"]
    steps, kept = filled["steps"], vacuum["kept"]
    return [
        f"{vacuum['table_mb'] * 1e6 / kept:.0f}",
        f"{vacuum['index_mb'] * 1e6 / kept:.0f}",
        f"{filled['spent']['wal_mb'] * 1e6 / steps:,.0f}",
        f"{filled['spent']['server_cpu'] * 1e6 / steps:.0f}",
        f"{vacuum['spent']['seconds']:.1f}",
        f"{vacuum['spent']['server_cpu'] * 1e6 / steps:.1f}",
    ]


def kept(results: Results) -> str:
    """What a day, a week, a month of 100 million steps a day take."""
    daily = _stored(results) * MILLIONS * 1e6 / 1e9
    rows = [[f"{days} day{'s' if days > 1 else ''}", f"{daily * days:,.0f} GB"] for days in (1, 7, 30)]
    return table(["ended runs are kept for", "they take"], rows)


TABLES: Mapping[str, Callable[[Results], str]] = {
    "one-step": one_step,
    "chained": chained,
    "long": long_ones,
    "missed": near,
    "profiled": profiled,
    "step": step_costs,
    "day": day,
    "servers": servers,
    "supabase": supabase,
    "growth": grown,
    "kept": kept,
}


def renewed(text: str, results: Results) -> str:
    """Return a page with its tables made anew; raises KeyError for a table that nobody makes."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]](results)}\n\n{found[3]}", text)


def main() -> None:
    """Write the tables of every page."""
    for page in PAGES:
        page.write_text(renewed(page.read_text(), Results()))
        print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
