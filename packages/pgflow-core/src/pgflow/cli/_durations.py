"""Durations and moments as they are written on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

__all__ = ["read_duration", "read_moment", "show_duration"]

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FORM: Final = re.compile(r"(\d{1,9}(?:\.\d+)?)([smhdw])")
_EXAMPLES: Final = "45s, 90m, 12h, 30d or 4w"


def read_duration(text: str) -> timedelta:
    """Read "45s", "90m", "12h", "30d" or "4w"; raises click.BadParameter."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a duration; write a number and a unit: {_EXAMPLES}")
    try:
        return timedelta(**{_UNITS[found[2]]: float(found[1])})
    except OverflowError:
        raise click.BadParameter(f"{text!r} is too long") from None


def show_duration(time: timedelta) -> str:
    """Write a duration as `read_duration` reads it, in the largest unit that makes it whole: "30d"."""
    seconds = time.total_seconds()
    for unit in ("d", "h", "m"):
        length = timedelta(**{_UNITS[unit]: 1}).total_seconds()
        if seconds and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:g}s"


def read_moment(text: str) -> datetime:
    """Read a date and time (local unless it says its zone), or how long ago; raises click.BadParameter."""
    try:
        if _FORM.fullmatch(text):
            return datetime.now(UTC) - read_duration(text)
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no moment; say how long ago ({_EXAMPLES}), or a time, as in 2026-11-22T08:00"
        ) from None
