"""The task runtime is killed at each phase, over each way to report: another attempt completes the task."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from pgflow.envelope import ReportTarget
from pgflow_testing.postgrest import token_for

pytestmark = pytest.mark.slow

WAITING = """
select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""


@pytest.fixture(params=["http", "postgrest", "postgres"])
def reporting(request, pgflow_database):
    """Where attempts report to, and what their process needs for it."""
    if request.param == "http":
        return None, {}
    if request.param == "postgres":
        return ReportTarget("postgres"), {"PGFLOW_DSN": pgflow_database}
    url = request.getfixturevalue("postgrest").url
    return ReportTarget("postgrest", url, token_for("pgflow_worker")), {}


@pytest.mark.parametrize("phase", ["handshake", "handler", "report"])
def test_a_runtime_that_is_killed_loses_nothing(remote, reporting, pgflow_database, phase):
    target, environment = reporting
    go = remote.folder / "go"
    envelope = remote.launched("wait", {"go": str(go)}, max_attempts=2, heartbeat_timeout=60)

    def run(attempt):
        aimed = attempt if target is None else replace(attempt, report=target)
        return remote.process(aimed, **environment)

    with psycopg.connect(pgflow_database) as holder:
        if phase == "handshake":
            holder.execute("lock table pgflow.run_steps in access exclusive mode")
        process = run(envelope)
        if phase != "handshake":
            remote.until(remote.noted)
        if phase == "report":
            holder.execute("lock table pgflow.run_steps in access exclusive mode")
            go.touch()
        if phase != "handler":
            with psycopg.connect(pgflow_database, autocommit=True) as watcher:
                remote.until(lambda: watcher.execute(WAITING).fetchone())
        process.kill()
        process.wait(60)
    go.touch()
    following = remote.after(envelope)
    assert following is None or run(following).wait(60) == 0
    task = remote.task(envelope)
    assert (task.status, task.output) == ("completed", "waited")
    assert task.failures <= 1
