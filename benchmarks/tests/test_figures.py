"""Medians, ratios and verdicts."""

from benchmarks.bars import judge
from benchmarks.figures import Figures, ratios, spread
from benchmarks.report import cell, number, times_table
from benchmarks.times import times


def test_a_ratio_compares_within_a_round():
    assert ratios([10.0, 40.0], [5.0, 10.0], less_is_better=False) == [2.0, 4.0]


def test_seconds_are_better_when_fewer():
    assert ratios([2.0], [30.0], less_is_better=True) == [15.0]


def test_a_round_that_one_contender_lacks_is_left_out():
    assert ratios([1.0, 2.0, 3.0], [1.0, 1.0], less_is_better=False) == [1.0, 2.0]


def test_a_bar_is_judged_by_the_median_of_the_ratios():
    figures: Figures = {
        "chain": {
            "pgflow-sql": [{"steps_per_s": 100.0}, {"steps_per_s": 90.0}, {"steps_per_s": 10.0}],
            "pgqueuer": [{"steps_per_s": 10.0}, {"steps_per_s": 10.0}, {"steps_per_s": 10.0}],
        }
    }
    (verdict,) = judge(figures)
    assert (verdict.measured.middle, verdict.met) == (9.0, True)


def test_a_limit_is_missed_above_it():
    figures: Figures = {"single": {"pgflow-sql": [{"wal_bytes_run": 1701.0}]}}
    (verdict,) = judge(figures)
    assert not verdict.met


def test_growth_compares_items_of_two_maps_of_one_round():
    figures: Figures = {
        "fan-5000": {"pgflow-sql": [{"us_per_item": 50.0}]},
        "fan-20000": {"pgflow-sql": [{"us_per_item": 70.0}]},
    }
    (verdict,) = judge(figures)
    assert (verdict.measured.middle, verdict.met) == (1.4, False)


def test_a_cell_shows_the_range_unless_there_is_none():
    assert cell(spread([1000.0, 2000.0, 3000.0])) == "**2,000** (1,000-3,000)"
    assert cell(spread([2.5])) == "2.50"


def test_digits_follow_the_size():
    assert [number(value) for value in (1234.5, 12.34, 0.1234)] == ["1,234", "12.3", "0.12"]


def test_times_are_ratios_within_a_round_to_every_peer():
    figures: Figures = {
        "long-chain": {
            "pgflow": [{"ms_per_run": 10.0}, {}, {"ms_per_run": 20.0}],
            "dbos": [{"ms_per_run": 40.0}, {"ms_per_run": 1.0}, {"ms_per_run": 40.0}],
        }
    }
    (one,) = times(figures)
    assert (one.ours, one.against) == ("pgflow", {"dbos": spread([4.0, 2.0])})
    assert "| chain of 1,000, ms | pgflow | **3.00** (2.00-4.00) |" in times_table([one])
