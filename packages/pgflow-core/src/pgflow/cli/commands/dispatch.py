"""`pgflow dispatch`: the service that runs tasks."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._executors import configured_executors
from pgflow.cli._logging import log_to_stderr
from pgflow.cli._session import Session
from pgflow.dispatcher import Dispatcher


@pgflow_command("dispatch", example="pgflow dispatch\npgflow dispatch --executor gpu --grace 120")
@click.option(
    "--executor", "names", multiple=True, metavar="NAME", help="Serve only this executor; may be repeated."
)
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
    "--until-eof", is_flag=True, help="Stop when standard input ends, so as not to outlive the parent."
)
def command(
    session: Session,
    names: tuple[str, ...],
    grace: float | None,
    lease: float | None,
    until_eof: bool,
) -> None:
    """Claim ready tasks and run them, until told to stop.

    Start as many dispatchers as you like.  Ctrl-C or SIGTERM: running tasks get the grace period, then they
    are handed back; a second one hurries.  With --json the log is JSON lines.
    """
    logger = log_to_stderr(as_json=session.as_json)
    config = session.config
    settings = config.settings.dispatcher
    listen_dsn = settings.listen_dsn
    with session.database() as opened:
        asyncio.run(
            _serve(
                Dispatcher(
                    opened.dsn,
                    configured_executors(config, names),
                    lease=settings.lease if lease is None else lease,
                    grace=settings.grace if grace is None else grace,
                    listen_dsn=None if listen_dsn is None else listen_dsn.get_secret_value(),
                    pythonpath=config.pythonpath,
                    logger=logger,
                ),
                until_eof=until_eof,
            )
        )


async def _serve(dispatcher: Dispatcher, *, until_eof: bool) -> None:
    if until_eof:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_stop_at_eof, args=(dispatcher, loop), daemon=True).start()
    await dispatcher.run(handle_signals=True)


def _stop_at_eof(dispatcher: Dispatcher, loop: asyncio.AbstractEventLoop) -> None:
    sys.stdin.buffer.read()
    with contextlib.suppress(RuntimeError):  # the loop may have ended first
        loop.call_soon_threadsafe(dispatcher.request_stop)
