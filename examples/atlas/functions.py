"""Measures how long Python functions are."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Final

from examples.atlas.model import FileFacts, FunctionReport, LongFunction

__all__ = ["BIN_LINES", "measure_functions"]

#: The histogram's bins are this many lines wide; the last one takes all longer functions.
BIN_LINES: Final = 10
_BINS: Final = 10
_LONGEST: Final = 12


def measure_functions(facts: Sequence[FileFacts]) -> FunctionReport:
    """Count the Python functions by length, and name the longest."""
    functions = [
        LongFunction(fact.path, function.name, function.line, function.lines)
        for fact in facts
        for function in fact.functions
    ]
    bins = Counter(min((function.lines - 1) // BIN_LINES, _BINS - 1) for function in functions)
    return FunctionReport(
        count=len(functions),
        median_lines=float(statistics.median([function.lines for function in functions] or [0])),
        histogram=[bins[number] for number in range(_BINS)],
        longest=sorted(functions, key=lambda f: (-f.lines, f.path, f.line))[:_LONGEST],
    )
