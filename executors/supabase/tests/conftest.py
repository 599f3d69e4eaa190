"""Fixtures of all tests: a server, and executors that post to it."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import pytest
from pgflow.executor import ExecutorContext
from pgflow.plugins import Plugins, configure
from pgflow_supabase.executor import SupabaseExecutor

from .support import KEY, REPORT_TO, SECRET, Server, make_attempt


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    # `close` alone does not wake the thread that accepts.
    with contextlib.suppress(OSError):
        server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def instance(server):
    """Configure the executor as an operator does: `instance(region="eu-west-3")`."""

    def make(**settings):
        given = {"url": server.url, "signing_secret": SECRET, "key": KEY, **settings}
        known = {name: value for name, value in given.items() if value is not None}
        plugins = Plugins(executors={"supabase": SupabaseExecutor})
        return configure(plugins, "supabase", "supabase", known)

    return make


@pytest.fixture
def launch(instance):
    """Launch an attempt with an executor of its own and return what it says."""

    async def launch(*, options=None, attempt=None, report_to=REPORT_TO, report=print, **settings):
        chosen = instance(**settings)
        executor = chosen.executor()
        logger = logging.getLogger("edge")
        await executor.start(
            ExecutorContext(chosen.name, "w", chosen.settings, logger, report, report_to=report_to)
        )
        try:
            options = chosen.step_options(options or {"function": "images"})
            return await executor.launch(make_attempt(options, **(attempt or {})))
        finally:
            await executor.aclose()

    return launch
