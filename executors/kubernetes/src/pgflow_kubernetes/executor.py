"""The Kubernetes executor: an attempt is a Job, which runs it and reports for itself."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from logging import Logger, getLogger
from typing import ClassVar, cast

from pgflow.envelope import Envelope, ReportTarget
from pgflow.errors import ConfigError
from pgflow.executor import (
    API_VERSION,
    Attempt,
    Capability,
    DeployedStep,
    ExecutorContext,
    HandleRef,
    Hindrance,
    LaunchResult,
    Observation,
    Phase,
    Rejected,
)
from pydantic import BaseModel

from pgflow_kubernetes.allowed import refusals
from pgflow_kubernetes.answers import REMOTE
from pgflow_kubernetes.checking import check_cluster, check_steps
from pgflow_kubernetes.cluster import BATCH, Cluster, Refused
from pgflow_kubernetes.delivery import ENVELOPE, TOKEN
from pgflow_kubernetes.launching import Launcher
from pgflow_kubernetes.manifest import build_job
from pgflow_kubernetes.observing import Looker
from pgflow_kubernetes.settings import KubernetesSettings, KubernetesStepOptions
from pgflow_kubernetes.watching import Watcher

__all__ = ["KubernetesExecutor"]

_GONE: frozenset[int] = frozenset({404, 409})
"""Nothing of that name, or something else of that name (another uid)."""


class KubernetesExecutor:
    """Implements `pgflow.executor.Executor`."""

    name: ClassVar[str] = "kubernetes"
    Settings: ClassVar[type[BaseModel]] = KubernetesSettings
    StepOptions: ClassVar[type[BaseModel]] = KubernetesStepOptions
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.IDEMPOTENT_LAUNCH,
            Capability.OBSERVE,
            Capability.CANCEL,
            Capability.LOGS,
            Capability.CHECK,
            Capability.CHECK_STEPS,
        }
    )
    api_version: ClassVar[int] = API_VERSION

    def __init__(self) -> None:
        self._serving: _Serving | None = None

    @property
    def capacity(self) -> int:
        """How many attempts may be under way at once."""
        return 0 if self._serving is None else self._serving.settings.max_jobs

    async def start(self, ctx: ExecutorContext) -> None:
        """Read the credentials and begin to watch.  Raises ConfigError for what no pod could report to."""
        if ctx.report_to is None:
            raise ConfigError(
                f"executors.{ctx.name}: pods report over HTTP: set public_url in [api], "
                f'or report_to = {{kind = "http", url = ...}} in [executors.{ctx.name}]'
            )
        settings = cast("KubernetesSettings", ctx.settings)
        cluster = Cluster(settings)
        try:
            await cluster.connect()
        except BaseException:
            cluster.close()
            raise
        self._serving = _Serving(ctx, settings, ctx.report_to, cluster)

    async def aclose(self) -> None:
        """Close the connections; what was launched goes on."""
        serving, self._serving = self._serving, None
        if serving is not None:
            await serving.close()

    async def launch(self, attempt: Attempt) -> LaunchResult:
        """Make the attempt's Job, or adopt it."""
        if self._serving is None:
            return Rejected("transient", "the executor is not running")
        return await self._serving.launch(attempt)

    async def observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        """Look at Jobs and pods."""
        if self._serving is None:
            return [Observation(ref, Phase.UNKNOWN) for ref in refs]
        return await self._serving.looker.observe(refs)

    async def cancel(self, ref: HandleRef, grace: timedelta) -> None:
        """Delete the Job and its pod, which has a grace of its own, `terminationGracePeriodSeconds`."""
        if self._serving is not None:
            await self._serving.cancel(ref)

    async def check(self) -> Sequence[Hindrance]:
        """Ask the cluster whether Jobs could run there, and what it lacks."""
        if self._serving is None:
            return []
        return await check_cluster(self._serving.cluster, self._serving.settings)

    async def check_steps(self, steps: Sequence[DeployedStep]) -> Sequence[Hindrance]:
        """Say which steps ask for what the settings do not allow."""
        return [] if self._serving is None else check_steps(self._serving.settings, steps)


class _Serving:
    """What a started executor has."""

    def __init__(
        self, ctx: ExecutorContext, settings: KubernetesSettings, report_to: ReportTarget, cluster: Cluster
    ) -> None:
        _hush()
        self.settings = settings
        self.cluster = cluster
        self._report_to = report_to
        self._log: Logger = ctx.logger
        self._edited = ctx.edited
        self._launcher = Launcher(cluster, settings.installation, ctx.logger)
        grace = timedelta(seconds=settings.pull_grace)
        self.looker = Looker(cluster, settings.installation, grace, ctx.logger)
        self._watcher: Watcher | None = None
        if settings.watch:
            self._watcher = Watcher(cluster, settings.installation, ctx.changed, ctx.logger)
            self._watcher.start()

    async def close(self) -> None:
        if self._watcher is not None:
            await self._watcher.stop()
        self.cluster.close()

    async def launch(self, attempt: Attempt) -> LaunchResult:
        refused = refusals(self.settings, cast("KubernetesStepOptions", attempt.options))
        if refused:
            return Rejected("permanent", "; ".join(refused))
        envelope = Envelope.of(attempt, self._report_to, inline_input=False)
        credentials = {ENVELOPE: envelope.to_json(with_token=False), TOKEN: str(attempt.attempt_token)}
        patience = attempt.lease_expires_at - datetime.now(UTC)
        try:
            edited = partial(self._edited, attempt)
            manifest = build_job(attempt, self.settings, credentials, patience=patience, edited=edited)
        except ValueError as error:
            return Rejected("permanent", str(error))
        return await self._launcher.launch(manifest, credentials)

    async def cancel(self, ref: HandleRef) -> None:
        if ref.external_id is None:
            return
        uid = (ref.handle or {}).get("uid")
        # In the foreground the Job stays until its pod is gone: until then nobody calls it gone.
        options = {"propagationPolicy": "Foreground", **({"preconditions": {"uid": uid}} if uid else {})}
        try:
            with contextlib.suppress(Refused):
                await self._launcher.withdraw(ref.external_id)
            await self.cluster.call(
                BATCH, "delete_namespaced_job", ref.external_id, self.cluster.namespace, body=options
            )
        except Refused as refused:
            if refused.status not in _GONE:
                self._log.warning("Job %s could not be deleted: %s", ref.external_id, refused)
        except REMOTE as error:
            self._log.warning("Job %s could not be deleted: %s", ref.external_id, error)


def _hush() -> None:
    """Keep the client from logging bodies, which hold tokens."""
    getLogger("kubernetes.client.rest").setLevel("INFO")
