"""`pgflow serve`: the completion API, health and metrics of the database, without a dispatcher."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._http import endpoints, listening_socket
from pgflow.cli._logging import log_format_option, log_to_stderr
from pgflow.cli._session import Session
from pgflow.config import Settings


@pgflow_command("serve", example="pgflow serve\npgflow serve --http 0.0.0.0:9090")
@click.option(
    "--http",
    "address",
    metavar="HOST:PORT",
    default="127.0.0.1:8080",
    show_default=True,
    help="Where to listen; port 0 takes any free one.",
)
@log_format_option
def command(session: Session, address: str, log_format: str | None) -> None:
    """Serve the completion API, health and metrics of the database over HTTP.

    /v1/tasks hands tasks to workers without a database connection and takes what they report, /healthz says
    that this process answers, /readyz that the database does and that its schema fits, /metrics how much work
    waits, for Prometheus.  It runs no tasks: `pgflow dispatch --http` does both.
    """
    logger = log_to_stderr(session, log_format)
    listening = listening_socket(address)
    with listening, session.database() as opened:
        asyncio.run(_serve(listening, opened.dsn, logger, session.config.settings))


async def _serve(listening: socket.socket, dsn: str, logger: logging.Logger, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with endpoints(listening, dsn, None, logger, settings):
        await stop.wait()
