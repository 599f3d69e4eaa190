"""Serve an ASGI app in the running event loop, beside whatever else runs there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from pgflow.http.patience import Impatient

__all__ = ["serving"]


class _Server(uvicorn.Server):
    """A server that leaves signals to whom it serves."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, listening: socket.socket) -> AsyncGenerator[str]:
    """Answer requests while the block runs; gives the address that is served, `host:port`."""
    host, port = listening.getsockname()[:2]
    config = uvicorn.Config(
        app,
        http=Impatient,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
        ws="none",
        proxy_headers=False,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    finally:
        server.should_exit = True
        await task
