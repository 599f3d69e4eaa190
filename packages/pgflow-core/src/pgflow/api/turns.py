"""Connections that requests take in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pgflow.client.async_links import AsyncOwnLink

__all__ = ["Turns"]


class Turns:
    """So many connections, each opened when first needed; requests wait for a free one."""

    def __init__(self, dsn: str, count: int) -> None:
        self._links = [AsyncOwnLink(dsn) for _ in range(count)]
        self._free: asyncio.Queue[AsyncOwnLink] = asyncio.Queue()
        for link in self._links:
            self._free.put_nowait(link)

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[AsyncOwnLink]:
        """Take a connection for the block."""
        link = await self._free.get()
        try:
            yield link
        finally:
            self._free.put_nowait(link)

    async def aclose(self) -> None:
        """Close the connections."""
        for link in self._links:
            await link.close()
