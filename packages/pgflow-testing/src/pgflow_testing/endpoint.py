"""An HTTP endpoint with a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager, suppress
from typing import Self

from pgflow_testing.wire import Listener, Request, Response

__all__ = ["Endpoint"]


class Endpoint(ABC):
    """Serves at `url` while it is entered."""

    def __init__(self, name: str, port: int) -> None:
        self.url = ""
        self.requests: list[Request] = []
        """Those that arrived."""
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name)

    @abstractmethod
    def _behind(self, address: str) -> AbstractAsyncContextManager[None]:
        """Keep what answers at "host:port"; it is left when no more requests come."""

    @abstractmethod
    async def _respond(self, request: Request) -> Response | None:
        """Answer a request; None ends the connection without an answer."""

    def __enter__(self) -> Self:
        """Serve; raises OSError if the port is not free."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        """End it with all that it started; raises what went wrong behind it."""
        assert self._loop is not None
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # told by __enter__ or __exit__
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        listener = Listener(self._respond)
        address = await listener.open(self._port)
        self.url = f"http://{address}"
        async with self._behind(address):
            try:
                self._ready.set()
                await self._stop.wait()
            finally:
                await listener.close()
