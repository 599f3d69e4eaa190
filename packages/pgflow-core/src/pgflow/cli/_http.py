"""The HTTP endpoints of the serving commands."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pgflow.cli._problems import Problem

if TYPE_CHECKING:
    from pgflow.config import Settings
    from pgflow.dispatcher import Dispatcher

__all__ = ["endpoints", "listening_socket"]

_NEEDED = ("httptools", "prometheus_client", "starlette", "uvicorn")


def listening_socket(address: str) -> socket.socket:
    """Bind the address before anything else is started.

    Raises Problem where the extra is not installed, ConfigError for an address that cannot be had.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise Problem(
            f"serving HTTP needs packages that are not installed: {', '.join(missing)}",
            mend="pip install 'pgflow-core[http]'",
        )
    from pgflow.http.address import bound_socket

    return bound_socket(address)


@asynccontextmanager
async def endpoints(
    listening: socket.socket,
    dsn: str,
    dispatcher: Dispatcher | None,
    logger: logging.Logger,
    settings: Settings,
) -> AsyncGenerator[None]:
    """Serve health, readiness, metrics and the completion API while the block runs."""
    from pgflow.api.tasks import TaskVerbs
    from pgflow.http.app import build_app
    from pgflow.http.database import DatabaseView
    from pgflow.http.server import serving

    database = DatabaseView(dsn)
    listen_dsn = settings.dispatcher.listen_dsn
    verbs = TaskVerbs(dsn, settings.api, None if listen_dsn is None else listen_dsn.get_secret_value())
    status = None if dispatcher is None else dispatcher.status
    wake = None if dispatcher is None else dispatcher.wake
    app = build_app(database, status, wake, verbs=verbs, settings=settings.api)
    try:
        async with verbs.running(), serving(app, listening) as address:
            logger.info("http://%s serves /healthz, /readyz, /metrics and /v1/tasks", address)
            try:
                yield
            finally:
                verbs.stop_waiting()
    finally:
        await database.close()
