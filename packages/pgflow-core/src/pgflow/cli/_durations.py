"""Durations as they are written on a command line."""

from __future__ import annotations

import re
from typing import Any, Final

import click

__all__ = ["Duration"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


class Duration(click.ParamType):
    """Reads "45s", "90m", "12h", "30d" or "4w" as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number and its unit."""
        if isinstance(value, float):
            return value
        found = _FORM.fullmatch(value)
        if found is None:
            self.fail(
                f"{value!r} is not a duration; write a number and a unit, as in 45s, 90m, 12h, 30d or 4w.",
                param,
                ctx,
            )
        return float(found[1]) * _UNITS[found[2]]
