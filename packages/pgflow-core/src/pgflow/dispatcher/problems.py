"""What an operator should know of, said once a minute at most and kept for status pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

__all__ = ["Problem", "Problems"]

_QUIET: Final = 60.0
"""Seconds between two log lines about the same problem."""

_KEPT: Final = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """Something an operator can mend; `kind` is a code, `subject` what it is about."""

    kind: str
    subject: str
    message: str
    count: int
    first_seen_at: datetime
    last_seen_at: datetime


class Problems:
    """The problems of one dispatcher, by kind and subject."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._problems: dict[tuple[str, str], Problem] = {}
        self._said_at: dict[tuple[str, str], float] = {}

    def __iter__(self) -> Iterator[Problem]:
        return iter(tuple(self._problems.values()))

    def note(self, kind: str, subject: str, message: str, fields: Mapping[str, object] | None = None) -> None:
        """Count a problem, and log it unless it was logged less than a minute ago."""
        key = (kind, subject)
        now = datetime.now(UTC)
        known = self._problems.pop(key, None)
        if known is None:
            problem = Problem(kind, subject, message, 1, now, now)
        else:
            problem = replace(known, message=message, count=known.count + 1, last_seen_at=now)
        self._problems[key] = problem
        self._forget_oldest()
        moment = time.monotonic()
        if moment - self._said_at.get(key, -_QUIET) >= _QUIET:
            self._said_at[key] = moment
            self._logger.warning(
                "%s: %s: %s (seen %d times)", kind, subject, message, problem.count, extra=dict(fields or {})
            )

    def clear(self, kind: str, subject: str) -> None:
        """Forget a problem that is mended."""
        self._problems.pop((kind, subject), None)
        self._said_at.pop((kind, subject), None)

    def _forget_oldest(self) -> None:
        while len(self._problems) > _KEPT:
            oldest = next(iter(self._problems))
            del self._problems[oldest]
            self._said_at.pop(oldest, None)
