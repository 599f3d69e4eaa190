"""Fixtures of all tests: a server, and executors that post to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pgflow.executor import ExecutorContext
from pgflow.plugins import Plugins, configure
from pgflow_supabase.executor import SupabaseExecutor
from pgflow_testing.answering import Server
from pgflow_testing.executor_suite import make_attempt

from .support import KEY, REPORT_TO, SECRET, accept


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(accept) as server:
        yield server


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

    async def launch(
        *, options=None, attempt=None, report_to=REPORT_TO, report=print, edited=None, **settings
    ):
        chosen = instance(**settings)
        executor = chosen.executor()
        logger = logging.getLogger("edge")
        context = ExecutorContext(chosen.name, "w", chosen.settings, logger, report, report_to=report_to)
        await executor.start(context if edited is None else replace(context, edited=edited))
        try:
            options = chosen.step_options(options or {"function": "images"})
            return await executor.launch(make_attempt(options, **(attempt or {})))
        finally:
            await executor.aclose()

    return launch
