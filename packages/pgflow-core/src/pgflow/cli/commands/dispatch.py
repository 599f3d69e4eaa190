"""`pgflow dispatch`: the service that runs tasks."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._executors import configured_executors
from pgflow.cli._http import endpoints, listening_socket
from pgflow.cli._logging import log_format_option, log_to_stderr
from pgflow.cli._options import executor_option
from pgflow.cli._session import Session
from pgflow.cli._tracing import attempt_spans
from pgflow.dispatcher import Dispatcher
from pgflow.plugins import load_plugins


@pgflow_command(
    "dispatch",
    example="pgflow dispatch\npgflow dispatch --executor gpu --grace 120\n"
    "pgflow dispatch --http 127.0.0.1:8080 --log-format json",
)
@executor_option("--executor", "names", multiple=True, help="Serve only this executor; may be repeated.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Time for running tasks to end at a stop.",
)
@click.option(
    "--lease",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time after which the tasks of a dead dispatcher run elsewhere.",
)
@click.option(
    "--http",
    "address",
    metavar="HOST:PORT",
    help="Serve /healthz, /readyz and /metrics there (default: not).",
)
@log_format_option
@click.option(
    "--until-eof", is_flag=True, help="Stop when standard input ends, so as not to outlive the parent."
)
def command(
    session: Session,
    *,
    names: tuple[str, ...],
    grace: float | None,
    lease: float | None,
    address: str | None,
    log_format: str | None,
    until_eof: bool,
) -> None:
    """Claim ready tasks and run them, until told to stop.

    Start as many dispatchers as you like.  Ctrl-C or SIGTERM: running tasks get the grace period, then they
    are handed back; a second one hurries.
    """
    logger = log_to_stderr(session, log_format)
    config = session.config
    settings = config.settings.dispatcher
    listen_dsn = settings.listen_dsn
    if address is None and not until_eof:  # a parent's own dispatcher must not claim the service's port
        address = settings.http
    with contextlib.ExitStack() as stack:
        listening = None if address is None else stack.enter_context(listening_socket(address))
        dsn = stack.enter_context(session.database()).dsn
        spans = stack.enter_context(attempt_spans()) if settings.tracing else None
        dispatcher = Dispatcher(
            dsn,
            configured_executors(config, names),
            lease=settings.lease if lease is None else lease,
            grace=settings.grace if grace is None else grace,
            listen_dsn=None if listen_dsn is None else listen_dsn.get_secret_value(),
            pythonpath=config.pythonpath,
            samples_waits=listening is not None,
            spans=spans,
            hooks=load_plugins().hooks,
            logger=logger,
        )
        http = None if listening is None else endpoints(listening, dsn, dispatcher, logger, config.settings)
        asyncio.run(_serve(dispatcher, http, until_eof=until_eof))


async def _serve(
    dispatcher: Dispatcher, http: contextlib.AbstractAsyncContextManager[None] | None, *, until_eof: bool
) -> None:
    if until_eof:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_stop_at_eof, args=(dispatcher, loop), daemon=True).start()
    async with contextlib.AsyncExitStack() as stack:
        if http is not None:
            await stack.enter_async_context(http)
        await dispatcher.run(handle_signals=True)


def _stop_at_eof(dispatcher: Dispatcher, loop: asyncio.AbstractEventLoop) -> None:
    sys.stdin.buffer.read()
    with contextlib.suppress(RuntimeError):  # the loop may have ended first
        loop.call_soon_threadsafe(dispatcher.request_stop)
