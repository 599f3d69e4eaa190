"""What is drawn and compared is what the workloads measure, and what the pages show is drawn."""

import argparse
import re

import pytest

from benchmarks.__main__ import LONG, workloads
from benchmarks.bars import LIMITS, RATIOS
from benchmarks.participant import ROOT
from benchmarks.pictures import PLOTS
from benchmarks.times import COMPARED

OPTIONS = argparse.Namespace(workload=None, hold=1.0, rows=1)
SHOWN = {
    load.name: load.shown
    for names in (None, list(LONG))
    for load in workloads(argparse.Namespace(**{**vars(OPTIONS), "workload": names}))
}
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize(
    "one", [*PLOTS, *COMPARED, *RATIOS, *LIMITS], ids=lambda one: f"{one.workload}-{one.metric}"
)
def test_a_metric_is_one_that_its_workload_shows(one: object):
    assert one.metric in SHOWN[one.workload]


def test_a_page_shows_plots_that_are_drawn():
    shown = {name for page in PAGES for name in re.findall(r"results/latest-([\w-]+)\.svg", page.read_text())}
    assert shown
    assert shown <= {plot.name for plot in PLOTS}
