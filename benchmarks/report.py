"""The results as Markdown and JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.bars import Verdict, judge
from benchmarks.figures import Figures, Spread, spread, values_of
from benchmarks.participant import Contender
from benchmarks.times import Times, times
from benchmarks.workloads.base import Workload

MET = {True: "met", False: "**missed**"}


def number(value: float) -> str:
    """Return a figure with as many digits as it deserves."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cell(measured: Spread) -> str:
    """Return a median with its range."""
    if measured.low == measured.high:
        return number(measured.middle)
    return f"**{number(measured.middle)}** ({number(measured.low)}-{number(measured.high)})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def workload_table(figures: Figures, workload: Workload) -> str:
    """Return a workload's table, one row a contender."""
    rows: list[list[str]] = []
    for contender in figures[workload.name]:
        values = [values_of(figures, workload.name, contender, metric) for metric in workload.shown]
        rows.append([contender, *(cell(spread(found)) if found else "-" for found in values)])
    head = ["contender", *(metric.replace("_", " ") for metric in workload.shown)]
    return f"## {workload.title}\n\n{table(head, rows)}\n"


def bars_table(verdicts: Sequence[Verdict]) -> str:
    """Return the bars with their verdicts."""
    rows = [
        [verdict.label, verdict.against, verdict.bar, cell(verdict.measured), MET[verdict.met]]
        for verdict in verdicts
    ]
    return f"## Bars\n\n{table(['bar', 'against', 'asked', 'measured', 'verdict'], rows)}\n"


def times_table(compared: Sequence[Times]) -> str:
    """Return how many times as good as each peer ours are, medians of the ratios within the rounds."""
    peers = sorted({peer for one in compared for peer in one.against})
    rows = [
        [one.what, one.ours, *(cell(one.against[peer]) if peer in one.against else "-" for peer in peers)]
        for one in compared
    ]
    return (
        "## Times each peer\n\nHow many times as good as the peer PGFlow was in the same round; "
        f"below 1 the peer was better.\n\n{table(['what', 'ours', *peers], rows)}\n"
    )


def markdown(
    figures: Figures, workloads: Sequence[Workload], contenders: Sequence[Contender], facts: dict[str, Any]
) -> str:
    """Return the whole report."""
    settings = "\n".join(f"- {contender.name}: {contender.settings}" for contender in contenders)
    shown = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    verdicts, compared = judge(figures), times(figures)
    tables = [
        *([bars_table(verdicts)] if verdicts else []),
        *([times_table(compared)] if compared else []),
        *(workload_table(figures, load) for load in workloads if figures.get(load.name)),
    ]
    return (
        "# Benchmark results\n\n"
        "Medians of the rounds, smallest and largest in brackets. Only ratios within one round compare.\n\n"
        f"{shown}\n\n## Contenders\n\n{settings}\n\n" + "\n".join(tables)
    )


def write(folder: Path, name: str, text: str, figures: Figures, facts: dict[str, Any]) -> Path:
    """Write NAME.md and NAME.json and return the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    rounded = {
        workload: {
            contender: [{key: round(value, 4) for key, value in measured.items()} for measured in rounds]
            for contender, rounds in contenders.items()
        }
        for workload, contenders in figures.items()
    }
    (folder / f"{name}.json").write_text(json.dumps({"facts": facts, "rounds": rounded}, indent=1) + "\n")
    path = folder / f"{name}.md"
    path.write_text(text)
    return path
