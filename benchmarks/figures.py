"""Medians, ratios and ranges of what the rounds gave."""

from dataclasses import dataclass
from statistics import median

# workload -> contender -> one dict of metrics a round, an empty one where its turn failed
Figures = dict[str, dict[str, list[dict[str, float]]]]


@dataclass(frozen=True)
class Spread:
    """A median with the smallest and the largest value beside it: the machine's noise, shown."""

    middle: float
    low: float
    high: float


def spread(values: list[float]) -> Spread:
    """Return the median and the range of some values; raises statistics.StatisticsError for none."""
    return Spread(median(values), min(values), max(values))


def in_rounds(figures: Figures, workload: str, contender: str, metric: str) -> list[float | None]:
    """Return a metric's value in each round; None where it was not measured."""
    return [measured.get(metric) for measured in figures.get(workload, {}).get(contender, [])]


def values_of(figures: Figures, workload: str, contender: str, metric: str) -> list[float]:
    """Return the values that a metric has, in the order of the rounds."""
    found = in_rounds(figures, workload, contender, metric)
    return [value for value in found if value is not None]


def ratios(ours: list[float | None], theirs: list[float | None], *, less_is_better: bool) -> list[float]:
    """Return, for each round that both have, how many times better the first is."""
    pairs = zip(ours, theirs, strict=False)
    return [their / our if less_is_better else our / their for our, their in pairs if our and their]
