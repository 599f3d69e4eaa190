"""A wall clock that jumps: seconds in the file that CHAOS_CLOCK names are added to the time."""

import os
import time

_file = os.environ.get("CHAOS_CLOCK")
_time, _time_ns = time.time, time.time_ns


def _offset() -> float:
    try:
        with open(_file or os.devnull) as file:  # noqa: PTH123  nothing is imported before the program
            return float(file.read() or 0)
    except (OSError, ValueError):
        return 0.0


if _file:
    time.time = lambda: _time() + _offset()
    time.time_ns = lambda: _time_ns() + int(_offset() * 1e9)
