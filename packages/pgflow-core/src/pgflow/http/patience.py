"""HTTP connections that end when they are of no use: whoever sends half of a request's head holds nothing."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

__all__ = ["Impatient"]

HEAD_SECONDS: Final = 10.0
"""A connection without a request under way is ended after so long, or twice that at most."""
LONGEST_HEAD: Final = 65_536
"""Bytes."""


class Impatient(HttpToolsProtocol):
    """uvicorn's protocol, which by itself waits for the rest of a head for ever, however long it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head: int | None = None
        """How much of a head has come; None between heads."""
        self._last: RequestResponseCycle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look, now and then, whether a request is under way."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is there."""
        self._head = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Read on, unless it is one head that is too long."""
        super().data_received(data)
        if self._head is None or self.transport.is_closing():
            return
        self._head += len(data)
        if self._head > LONGEST_HEAD:
            self.send_400_response("The head of the request is too long.")

    def _look(self) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is self._last and (cycle is None or cycle.response_complete):
            self.transport.close()
            return
        self._last = cycle
        self._timer = self.loop.call_later(HEAD_SECONDS, self._look)
