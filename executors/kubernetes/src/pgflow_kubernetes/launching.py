"""How an attempt becomes a Job: once, however often it is launched, and never without its token.

The Job is made suspended, which gives it an identity; the Secret is made as the Job's own; the Job is
resumed.  A crash in between leaves nothing that runs, and nothing that stays once the Job is deleted.  A
server that does not know `suspend` gets the Secret first, and the Secret gets its owner when there is one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from logging import Logger
from typing import Any

from pgflow.executor import Accepted, LaunchResult, Rejected

from pgflow_kubernetes.answers import REMOTE, judge
from pgflow_kubernetes.cluster import BATCH, CORE, Cluster, Refused
from pgflow_kubernetes.manifest import same_job
from pgflow_kubernetes.secret import build_secret, owned_by

__all__ = ["Launcher"]


class Launcher:
    """Makes Jobs in one namespace."""

    def __init__(self, cluster: Cluster, installation: str, logger: Logger) -> None:
        self._cluster = cluster
        self._installation = installation
        self._log = logger
        self._suspends = True
        """False once the server was seen to drop `suspend`."""

    async def launch(self, manifest: Mapping[str, Any], credentials: Mapping[str, str]) -> LaunchResult:
        """Make the Job of an attempt, or adopt the one that is there; never raises for what is remote."""
        try:
            if not manifest["spec"]["suspend"]:
                job, adopted = await self._create(manifest)
            elif self._suspends:
                job, adopted = await self._suspended(manifest, credentials)
            else:
                job, adopted = await self._secret_first(manifest, credentials)
        except _NotOurs as error:
            return Rejected("permanent", str(error))
        except REMOTE as error:
            return judge(error)
        about = job["metadata"]
        handle = {"v": 1, "namespace": about["namespace"], "name": about["name"], "uid": about["uid"]}
        return Accepted(handle, adopted=adopted)

    async def withdraw(self, name: str) -> None:
        """Delete the Secret of a Job that cannot take it along."""
        if not self._suspends:
            with contextlib.suppress(Refused):
                await self._cluster.call(CORE, "delete_namespaced_secret", name, self._cluster.namespace)

    async def _create(self, manifest: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
        """Return the Job, and whether it was there before."""
        namespace = self._cluster.namespace
        try:
            return await self._cluster.call(BATCH, "create_namespaced_job", namespace, manifest), False
        except Refused as refused:
            if refused.status != 409 or refused.reason != "AlreadyExists":
                raise
        name = manifest["metadata"]["name"]
        found = await self._cluster.call(BATCH, "read_namespaced_job", name, namespace)
        if not same_job(found, manifest):
            raise _NotOurs(f"a Job {name} is there that is being deleted, or was made from other settings")
        return found, True

    async def _suspended(
        self, manifest: Mapping[str, Any], credentials: Mapping[str, str]
    ) -> tuple[Mapping[str, Any], bool]:
        job, adopted = await self._create(manifest)
        suspended = job["spec"].get("suspend")
        if suspended is False:
            return job, adopted  # a launch before this one came to its end
        if suspended is None and self._suspends:
            self._suspends = False
            self._log.warning("the API server does not know `suspend`: Secrets are made before their Jobs")
        try:
            await self._bring(job["metadata"]["name"], credentials, job)
            if suspended:
                await self._resume(job)
        except Refused:
            # Nobody will launch this attempt again, and a suspended Job would stay.
            with contextlib.suppress(*REMOTE):
                await self._delete(job)
            raise
        return job, adopted

    async def _secret_first(
        self, manifest: Mapping[str, Any], credentials: Mapping[str, str]
    ) -> tuple[Mapping[str, Any], bool]:
        name = manifest["metadata"]["name"]
        await self._bring(name, credentials, None)
        try:
            job, adopted = await self._create(manifest)
        except Refused as refused:
            if refused.status < 500:
                with contextlib.suppress(*REMOTE):
                    await self.withdraw(name)
            raise
        try:
            await self._patch(CORE, "patch_namespaced_secret", name, {"metadata": owned_by(job)})
        except REMOTE as error:
            # It serves without an owner, too; cancel deletes it by name.
            self._log.warning("the Secret %s has no owner: %s", name, error)
        return job, adopted

    async def _bring(self, name: str, credentials: Mapping[str, str], job: Mapping[str, Any] | None) -> None:
        secret = build_secret(name, self._installation, credentials, job)
        try:
            await self._cluster.call(CORE, "create_namespaced_secret", self._cluster.namespace, secret)
        except Refused as refused:
            # A launch before this one, whose answer was lost, made it: the token is the attempt's.
            if refused.status != 409 or refused.reason != "AlreadyExists":
                raise

    async def _resume(self, job: Mapping[str, Any]) -> None:
        await self._patch(
            BATCH, "patch_namespaced_job", job["metadata"]["name"], {"spec": {"suspend": False}}
        )

    async def _delete(self, job: Mapping[str, Any]) -> None:
        options = {"propagationPolicy": "Background", "preconditions": {"uid": job["metadata"]["uid"]}}
        name = job["metadata"]["name"]
        await self._cluster.call(BATCH, "delete_namespaced_job", name, self._cluster.namespace, body=options)

    async def _patch(self, api: str, operation: str, name: str, change: Mapping[str, Any]) -> None:
        await self._cluster.call(api, operation, name, self._cluster.namespace, change)


class _NotOurs(Exception):
    """The name is taken."""
