"""Plots of a result: `python -m benchmarks.plots benchmarks/results/latest.json`, in the plots' environment.

One SVG a plot: medians of the rounds, a line from the smallest to the largest.  Needs of the project what
lies beside it only: the plots' environment has matplotlib and nothing of ours.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.figures import Figures, spread, values_of
from benchmarks.pictures import PLOTS, Plot

OURS = ("pgflow", "pgflow-sql")
COLOURS = {True: "#2a6f97", False: "#a9b4bc"}


def draw(figures: Figures, plot: Plot) -> Figure | None:
    """Return bars on a logarithmic axis, since systems differ by a hundred; None if nobody was measured."""
    contenders = figures.get(plot.workload, {})
    found = {name: values_of(figures, plot.workload, name, plot.metric) for name in contenders}
    spreads = sorted(
        ((name, spread(values)) for name, values in found.items() if values),
        key=lambda pair: pair[1].middle,
        reverse=not plot.less_is_better,
    )
    if not spreads:
        return None
    names, measured = [name for name, _ in spreads], [one for _, one in spreads]
    figure = Figure(figsize=(7.5, 0.8 + 0.36 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.set_title(plot.title, loc="left", fontsize=11)
    axes.set_xscale("log")
    axes.set_xlim(min(one.low for one in measured) / 2, max(one.high for one in measured) * 2)
    axes.barh(
        names,
        [one.middle for one in measured],
        xerr=[[one.middle - one.low for one in measured], [one.high - one.middle for one in measured]],
        color=[COLOURS[name in OURS] for name in names],
        ecolor="#444444",
        capsize=2,
    )
    for place, one in enumerate(measured):
        text = f"{one.middle:,.0f}" if one.middle >= 100 else f"{one.middle:.3g}"
        axes.annotate(
            text, (one.high, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9
        )
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def main(given: Sequence[str]) -> None:
    """Write NAME-PLOT.svg beside NAME.json for every plot that its figures allow; print the names."""
    if len(given) != 1:
        raise SystemExit("plots: name one result, such as benchmarks/results/latest.json")
    result = Path(given[0])
    figures: Figures = json.loads(result.read_text())["rounds"]
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "pgflow"  # the same figures give the same file
    for plot in PLOTS:
        if figure := draw(figures, plot):
            path = result.with_name(f"{result.stem}-{plot.name}.svg")
            figure.savefig(path, metadata={"Date": None})
            print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
