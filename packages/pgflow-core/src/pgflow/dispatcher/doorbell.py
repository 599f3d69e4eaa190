"""Hear of ready tasks by LISTEN; the lanes poll while nobody can hear."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pgflow.database.hearing import ReadyListener
from pgflow.dispatcher.lane import Lane

__all__ = ["Doorbell"]

_LONGEST_POLL: Final = 10.0
_LONGEST_POLL_DEAF: Final = 1.5
"""Times the number of lanes: an idle dispatcher stays under one query a second."""


class Doorbell(ReadyListener):
    """Rings the lanes that notifications name."""

    def __init__(
        self,
        dsn: str,
        name: str,
        lanes: Mapping[str, Lane],
        logger: logging.Logger,
        *,
        listen_dsn: str | None,
    ) -> None:
        super().__init__(dsn, name, logger, listen_dsn=listen_dsn)
        self._lanes = lanes
        self.on_change()

    def on_change(self) -> None:
        """Have the lanes poll as often as they must."""
        longest = _LONGEST_POLL if self.hears else _LONGEST_POLL_DEAF * len(self._lanes)
        for lane in self._lanes.values():
            lane.longest_poll = longest
        self._ring(self._lanes)

    def on_ready(self, executors: Sequence[str]) -> None:
        """Ring the lanes of these executors."""
        self._ring(executors)

    def _ring(self, executors: Iterable[str]) -> None:
        for executor in executors:
            lane = self._lanes.get(executor)
            if lane is not None:
                lane.ring()
