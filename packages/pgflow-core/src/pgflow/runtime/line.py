"""Connections that one attempt leaves open for the next one of its process."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pgflow.envelope import ReportTarget
from pgflow.reporters.choice import reporter_for
from pgflow.reporters.contract import Reporter

__all__ = ["Line"]

_KEPT_SECONDS: Final = 50.0
"""Load balancers and gateways forget a connection that says nothing for a minute, and some tell nobody."""


@dataclass(frozen=True, slots=True)
class _Kept:
    target: ReportTarget
    reporter: Reporter
    since: float


class Line:
    """The last reporter of a process that may be frozen between two attempts.

    That the other side closed a connection meanwhile is told by its socket, or by the first call: calls are
    repeated until they are heard, and the engine takes each once.
    """

    def __init__(self, dsn: str | None) -> None:
        self._dsn = dsn
        self._kept: _Kept | None = None

    @contextmanager
    def to(self, target: ReportTarget) -> Generator[Reporter]:
        """Give a reporter to the target, and keep it unless something goes wrong."""
        reporter = self._take(target) or reporter_for(target, self._dsn)
        try:
            yield reporter
        except BaseException:
            reporter.close()
            raise
        if target.kind == "postgres":  # a frozen process would hold one of the database's few connections
            reporter.close()
        else:
            self._kept = _Kept(target, reporter, time.time())

    def _take(self, target: ReportTarget) -> Reporter | None:
        kept, self._kept = self._kept, None
        # The wall clock: a monotonic one may stand still while the process is frozen.
        if kept is None:
            return None
        if kept.target == target and 0 <= time.time() - kept.since <= _KEPT_SECONDS:
            return kept.reporter
        kept.reporter.close()
        return None
