"""Fixtures of all tests: API servers that answer as told, and executors that ask them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import pytest
from pgflow.envelope import ReportTarget
from pgflow.executor import ExecutorContext
from pgflow.plugins import Plugins, configure
from pgflow_kubernetes.executor import KubernetesExecutor

from .server import Server

REPORT_TO = ReportTarget("http", "https://flows.example.com")


@pytest.fixture
def serving() -> Iterator:
    """Serve answers: `server = serving(lambda asked: (200, {}, {}))`."""
    servers = []

    def start(answer) -> Server:
        server = Server(answer)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def running(tmp_path):
    """Run an executor against a server: `async with running(server, watch=True) as executor`."""

    @contextlib.asynccontextmanager
    async def run(server, changed=lambda _: None, **settings):
        given = {
            "namespace": "tasks",
            "image": "flows:1",
            "kubeconfig": str(server.kubeconfig(tmp_path)),
            "response_timeout": 20,
            "watch": False,
            **settings,
        }
        plugins = Plugins(executors={"kubernetes": KubernetesExecutor})
        instance = configure(plugins, "kubernetes", "kubernetes", given)
        executor = instance.executor()
        logger = logging.getLogger("kubernetes-tests")
        context = ExecutorContext(
            "kubernetes", "w", instance.settings, logger, print, report_to=REPORT_TO, changed=changed
        )
        await executor.start(context)
        try:
            yield executor
        finally:
            await executor.aclose()

    return run
