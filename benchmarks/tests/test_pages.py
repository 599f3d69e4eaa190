"""The figures of the pages are those of the results, and their arithmetic is right."""

import re
from pathlib import Path

import pytest

from benchmarks import capacity, pages
from benchmarks.capacity import Step

STEP = Step(
    run_us=80, start_us=20, client_us=50, wal_bytes=1_000, calls=0.01, commits=0.01, starts=9, measured=4_000
)


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_results(page: Path):
    text = page.read_text()
    assert pages.renewed(text, pages.Results()) == text, "renew them: python -m benchmarks.pages"


def test_every_table_is_on_a_page():
    shown = [
        name for page in pages.PAGES for name in re.findall(r"<!-- table ([\w-]+) -->", page.read_text())
    ]
    assert sorted(shown) == sorted(pages.TABLES)


def test_a_rate_is_multiplied_by_what_a_step_costs():
    needed = capacity.load(STEP, 10_000)
    assert (needed.server_cores, needed.client_cores) == pytest.approx((1.0, 0.5))
    assert (needed.wal_mb, needed.commits) == pytest.approx((10.0, 100.0))


def test_half_of_the_cores_and_a_third_of_the_disk_bound_the_rate():
    assert capacity.by_cores(STEP, 2) == pytest.approx(10_000)
    assert capacity.by_disk(STEP, 30.0) == pytest.approx(10_000)
    assert capacity.dispatchers(STEP, 10_000) == 3


def test_what_stands_between_the_marks_is_replaced_and_nothing_else(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pages, "TABLES", {"a-b": lambda _: "| new |"})
    text = "before\n\n<!-- table a-b -->\n\n| old |\n\n<!-- end -->\n\nafter\n"
    assert pages.renewed(text, pages.Results()) == text.replace("old", "new")
