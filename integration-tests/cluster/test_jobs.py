"""Attempts as Jobs of a real API server: they run, fail, are cancelled, and are looked after."""

from __future__ import annotations

import pytest
from cluster_flows import held, held_once, out_of_memory, silent, tally, unpullable
from pgflow import AsyncClient, RunFailed

from ..dispatching import SECONDS, until
from .clusters import ONE

pytestmark = [pytest.mark.slow, pytest.mark.clusters(*ONE)]


@pytest.fixture
def attempts(pgflow_connection):
    """Ended attempts, in order: `attempts()`."""

    def read():
        return pgflow_connection.execute(
            "select attempt, outcome, error ->> 'code' as code, error ->> 'message' as message, log_tail "
            "from pgflow.step_task_attempts order by attempt"
        ).fetchall()

    return read


async def test_a_flow_runs_as_jobs_whose_secrets_go_with_them(pgflow_database, namespace, dispatching):
    async with AsyncClient(pgflow_database) as client, dispatching():
        await client.deploy(tally)
        run = await client.start(tally, "one three")
        assert await run.result(SECONDS) == 8
    jobs = {job.metadata.name: job.metadata for job in namespace.jobs()}
    assert len(jobs) == 4
    assert {about.labels["pgflow.dev/installation"] for about in jobs.values()} == {"pgflow"}
    owners = {each.metadata.name: each.metadata.owner_references[0].uid for each in namespace.secrets()}
    assert owners == {name: about.uid for name, about in jobs.items()}
    plain = [each for pod in namespace.pods() for each in pod.spec.containers[0].env if each.value]
    assert not [each.name for each in plain if each.name in {"PGFLOW_ATTEMPT_TOKEN", "PGFLOW_ENVELOPE"}]


async def test_the_token_may_travel_in_the_manifest(pgflow_database, namespace, dispatching):
    async with AsyncClient(pgflow_database) as client, dispatching(credentials="env"):
        await client.deploy(tally)
        assert await (await client.start(tally, "a $HOME $$ $(PATH)")).result(SECONDS) == 15
    assert namespace.secrets() == []


FAILURES = [
    (out_of_memory, {}, "failed", "KILLED", "exit code 137"),
    (silent, {"commands": ["sh *"]}, "launch_failed", "LAUNCH_FAILED", "without a report"),
    (
        unpullable,
        {"images": ["registry.invalid/*"], "pull_grace": 0},
        "launch_failed",
        "IMAGE_UNAVAILABLE",
        'image "registry.invalid/task:missing"',
    ),
]


@pytest.mark.parametrize(
    ("flow", "settings", "outcome", "code", "said"), FAILURES, ids=[row[0].slug for row in FAILURES]
)
async def test_a_pod_that_ends_without_a_report_says_why(
    pgflow_database, dispatching, attempts, flow, settings, outcome, code, said
):
    async with AsyncClient(pgflow_database) as client, dispatching(**settings):
        await client.deploy(flow)
        await client.start(flow, 1)
        ended = await until(attempts)
    assert (ended[0]["outcome"], ended[0]["code"]) == (outcome, code)
    assert said in ended[0]["message"]


async def test_the_log_of_a_failed_pod_is_kept_without_its_secrets(pgflow_database, dispatching, attempts):
    async with AsyncClient(pgflow_database) as client, dispatching():
        await client.deploy(out_of_memory)
        with pytest.raises(RunFailed, match="137"):
            await (await client.start(out_of_memory, 1)).result(SECONDS)
    (ended,) = attempts()
    assert "about to be killed, password=[redacted]" in ended["log_tail"]


async def test_a_job_that_somebody_deleted_is_lost_and_its_task_runs_again(
    pgflow_database, namespace, dispatching, attempts, tmp_path
):
    path = tmp_path / "go"
    async with AsyncClient(pgflow_database) as client, dispatching():
        await client.deploy(held)
        run = await client.start(held, str(path))
        await until(path.with_suffix(".started").exists)
        (job,) = namespace.jobs()
        namespace.batch.delete_namespaced_job(
            job.metadata.name, namespace.name, propagation_policy="Background", grace_period_seconds=0
        )
        ended = await until(attempts)
        path.touch()
        assert await run.result(SECONDS) == "released"
    assert ended[0]["outcome"] in {"lost", "released", "failed"}
    assert [job.metadata.name[-2:] for job in namespace.jobs()] == ["-2"]


async def test_a_cancelled_run_has_its_pod_deleted(pgflow_database, namespace, dispatching, tmp_path):
    path = tmp_path / "go"
    async with AsyncClient(pgflow_database) as client, dispatching():
        await client.deploy(held_once)
        run = await client.start(held_once, str(path))
        await until(path.with_suffix(".started").exists)
        await run.cancel("enough")
        await until(lambda: not namespace.jobs() and not namespace.pods())
    assert namespace.secrets() == []
