"""Fixtures of all tests: a server, credentials, and executors that invoke it."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Iterator

import botocore.loaders
import botocore.session
import pytest
from pgflow.executor import ExecutorContext
from pgflow.plugins import Plugins, configure
from pgflow_lambda.plugin import pgflow_register_executors
from pgflow_testing.executor_suite import make_attempt

from .support import REPORT_TO, SECRET_KEY, LambdaApi


@pytest.fixture(autouse=True, scope="session")
def models():
    """Read boto3's models of services once: each of its sessions would read them again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.loaders.create_loader))
        yield


@pytest.fixture(autouse=True)
def credentials(monkeypatch, tmp_path):
    """Credentials of nobody, and none that the machine has."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def server() -> Iterator[LambdaApi]:
    with LambdaApi() as server:
        yield server


@pytest.fixture
def instance(server):
    """Configure the executor as an operator does: `instance(qualifier="live")`."""

    def make(use="lambda", **settings):
        given = {"endpoint_url": server.url, "region": "eu-west-3", "function": "images", **settings}
        known = {name: value for name, value in given.items() if value is not None}
        plugins = Plugins(executors={cls.name: cls for cls in pgflow_register_executors()})
        return configure(plugins, use, use, known)

    return make


@pytest.fixture
def started(instance):
    """Start an executor: `async with started(qualifier="live") as executor`."""

    @contextlib.asynccontextmanager
    async def started(
        *, report_to=REPORT_TO, rung=lambda _: None, edited=None, max_in_flight=None, **settings
    ):
        chosen = instance(**settings)
        executor = chosen.executor()
        logger = logging.getLogger("lambda")
        plugins = {} if edited is None else {"edited": edited}
        lent = {"report_to": report_to, "changed": rung, "max_in_flight": max_in_flight, **plugins}
        context = ExecutorContext(chosen.name, "w", chosen.settings, logger, print, **lent)
        await executor.start(context)
        try:
            yield executor
        finally:
            await executor.aclose()

    return started


@pytest.fixture
def launch(started):
    """Launch an attempt with an executor of its own and return what it says."""

    async def launch(*, options=None, attempt=None, **settings):
        async with started(**settings) as executor:
            chosen = executor.StepOptions.model_validate(options or {})
            return await executor.launch(make_attempt(chosen, **(attempt or {})))

    return launch
