"""How much memory process groups take, as the kernel tells it (Linux)."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Final

__all__ = ["can_measure", "resident_by_group"]

_PROC: Final = Path("/proc")


def can_measure() -> bool:
    """Tell whether this system says what processes take."""
    return sys.platform == "linux" and (_PROC / "self/stat").exists()


def resident_by_group() -> Counter[int]:
    """Return the bytes of memory that each process group occupies; what processes share counts for each."""
    page = os.sysconf("SC_PAGE_SIZE")
    found: Counter[int] = Counter()
    for name in os.listdir(_PROC):  # noqa: PTH208  a path for each would double the time
        if not name.isdecimal():
            continue
        try:
            # The name of the program, in parentheses, may hold anything; group and size come after it.
            fields = (_PROC / name / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        found[int(fields[2])] += int(fields[21]) * page
    return found
