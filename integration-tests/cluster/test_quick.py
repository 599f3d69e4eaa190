"""The executor in a cluster, in a few seconds: the double of the test kit."""

from __future__ import annotations

import pytest
from cluster_flows import increment
from pgflow import AsyncClient

from ..dispatching import SECONDS

pytestmark = pytest.mark.clusters("double")


async def test_a_flow_runs_as_a_job(pgflow_database, namespace, dispatching):
    async with AsyncClient(pgflow_database) as client, dispatching(commands=["python -SE *"]):
        await client.deploy(increment)
        assert await (await client.start(increment, 41)).result(SECONDS) == 42
    (job,) = namespace.jobs()
    (secret,) = namespace.secrets()
    assert secret.metadata.owner_references[0].uid == job.metadata.uid
    assert job.spec.suspend is False
