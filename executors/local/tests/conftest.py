"""The fixture of all tests: a factory of running executors."""

import asyncio

import pytest
from pgflow_local.executor import LocalExecutor
from pgflow_local.settings import LocalSettings

from .support import HANDLERS, Local, children, open_files, until


@pytest.fixture
async def local(monkeypatch):
    """A factory of running executors; afterwards none has left a process, a task or a file open.

    Nothing is handed back for having waited: on a slow machine, the shortest task takes long.
    """
    monkeypatch.setattr("pgflow_local.watch._PATIENCE", 600.0)
    made = []
    tasks = asyncio.all_tasks()
    files = open_files()

    async def make(*, pythonpath=(HANDLERS,), **settings):
        settings = {"processes": 1, "grace": 1.0, **settings}
        harness = Local(LocalExecutor(), pythonpath)
        made.append(harness)
        await harness.start(LocalSettings.model_validate(settings))
        return harness

    yield make
    for harness in made:
        await harness.executor.aclose()
    assert children() == set()
    assert asyncio.all_tasks() <= tasks | {asyncio.current_task()}
    await until(lambda: open_files() <= files, f"closing of what was not open before ({files})")
    for harness in made:
        for reports in harness.reports.values():
            assert len(reports) <= 1, reports
