"""Plugins beside a dispatcher at work: what they change reaches the place of launch and the database."""

from __future__ import annotations

from types import SimpleNamespace

import pluggy
import pytest
from pgflow import AsyncClient, RunFailed, hookspecs
from pgflow.executor import Rejected
from pgflow.hookspecs import hookimpl
from trial import single
from trial_executors import Elsewhere, Here


@hookimpl
def redact(text):
    return text.replace("hunter2", "***")


@hookimpl
def edit(attempt, executor, body):
    body["labels"] = {"team": executor}


@hookimpl
def listen(event):
    raise OSError("nobody listens")


@pytest.fixture
def hooks():
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(
        SimpleNamespace(pgflow_redact=redact, pgflow_mutate_launch=edit, pgflow_executor_event=listen)
    )
    return {"careful": manager}


@pytest.mark.parametrize("kind", [Elsewhere, Here])
async def test_plugins_edit_and_redact_and_a_broken_one_stops_nothing(
    pgflow_database, dispatching, hooks, kind
):
    sent = []

    async def act(executor, attempt):
        sent.append(executor.context.edited(attempt, {"image": "i"}))
        return Rejected("permanent", "the password hunter2 is wrong")

    async with AsyncClient(pgflow_database) as client:
        await client.deploy(single)
        handle = await client.start(single, 1)
        async with dispatching(pgflow_database, [kind(act).instance], hooks=hooks) as dispatcher:
            with pytest.raises(RunFailed, match=r"the password \*\*\* is wrong"):
                await handle.result(60)
            told = [problem.kind for problem in dispatcher.status().problems]
    assert sent == [{"image": "i", "labels": {"team": "local"}}]
    assert "HOOK_FAILED" in told
