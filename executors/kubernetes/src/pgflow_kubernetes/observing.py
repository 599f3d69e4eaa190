"""Looks at Jobs and pods by the page: the lists are the truth, the watch says when to read them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from logging import Logger
from typing import Final

from pgflow.executor import HandleRef, Observation, Phase

from pgflow_kubernetes.answers import REMOTE
from pgflow_kubernetes.cluster import BATCH, CORE, Cluster, Refused
from pgflow_kubernetes.diagnosis import Finding, diagnose
from pgflow_kubernetes.manifest import CONTAINER
from pgflow_kubernetes.naming import attempt_of, selector
from pgflow_kubernetes.objects import Object, owner_uids, part, parts, text, uid_of
from pgflow_kubernetes.pods import pod_of, task_state
from pgflow_kubernetes.redacting import redacted

__all__ = ["Looker"]

_PAGE: Final = 500
_FEW: Final = 40
"""Attempts that are asked for by name; a selector of more would be too long for some proxies."""

_LOG_LINES: Final = 200
_LOG_BYTES: Final = 1024 * 1024
_LOGS_AT_ONCE: Final = 8
_GONE: Final = 410


class Looker:
    """Observes the attempts of one installation in one namespace."""

    def __init__(self, cluster: Cluster, installation: str, grace: timedelta, logger: Logger) -> None:
        self._cluster = cluster
        self._installation = installation
        self._grace = grace
        self._log = logger
        self._logs = asyncio.Semaphore(_LOGS_AT_ONCE)

    async def observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        """Look at attempts, in order; where the cluster cannot be asked, nothing is known of them."""
        if not refs:
            return []
        try:
            return await self._observe(refs)
        except REMOTE as error:
            self._log.warning("Jobs cannot be looked at: %s", error)
            return [Observation(ref, Phase.UNKNOWN, detail=str(error)) for ref in refs]

    async def _observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        names = [ref.external_id for ref in refs if ref.external_id is not None]
        chosen = selector(self._installation, names if len(names) <= _FEW else ())
        jobs_by_name = {item["metadata"]["name"]: item for item in await self._list(BATCH, "job", chosen)}
        pods_by_name: defaultdict[str | None, list[Object]] = defaultdict(list)
        for pod in await self._list(CORE, "pod", chosen):
            pods_by_name[attempt_of(pod)].append(pod)
        jobs = [_job_of(ref, jobs_by_name) for ref in refs]
        pods = [_pods_of(job, pods_by_name) for job in jobs]
        events = await self._events() if any(map(_lacks_pod, jobs, pods)) else dict[str, str]()
        now = datetime.now(UTC)
        findings = [
            diagnose(
                job,
                own,
                now=now,
                grace=self._grace,
                events="" if job is None else events.get(uid_of(job), ""),
            )
            for job, own in zip(jobs, pods, strict=True)
        ]
        tails = await asyncio.gather(*map(self._tail, findings, pods))
        return [
            Observation(ref, found.phase, found.code, found.detail, tail, found.started)
            for ref, found, tail in zip(refs, findings, tails, strict=True)
        ]

    async def _list(self, api: str, kind: str, chosen: str) -> list[Object]:
        """Read all pages; from the start again, once, if the rest of a list has expired meanwhile."""
        try:
            return await self._pages(api, kind, chosen)
        except Refused as refused:
            if refused.status != _GONE:
                raise
        return await self._pages(api, kind, chosen)

    async def _pages(self, api: str, kind: str, chosen: str) -> list[Object]:
        items: list[Object] = []
        after: dict[str, str] = {}
        while True:
            page = await self._cluster.call(
                api,
                f"list_namespaced_{kind}",
                self._cluster.namespace,
                label_selector=chosen,
                limit=_PAGE,
                **after,
            )
            items += parts(page, "items")
            token = text(part(page, "metadata"), "continue")
            if not token:
                return items
            after = {"_continue": token}

    async def _events(self) -> Mapping[str, str]:
        """Return why Jobs have no pod, by the uid of the Job: one page tells enough."""
        query = "involvedObject.kind=Job,reason=FailedCreate"
        try:
            page = await self._cluster.call(
                CORE, "list_namespaced_event", self._cluster.namespace, field_selector=query, limit=_PAGE
            )
        except REMOTE as error:
            self._log.warning("events cannot be read: %s", error)
            return {}
        return {
            text(part(each, "involvedObject"), "uid"): text(each, "message") for each in parts(page, "items")
        }

    async def _tail(self, found: Finding, pods: Sequence[Object]) -> str | None:
        """Return the end of the log of a pod that failed."""
        pod = pod_of(pods)
        if pod is None or found.phase is not Phase.EXITED_ERROR or not found.started:
            return None
        try:
            async with self._logs:
                log = await self._cluster.text(
                    CORE,
                    "read_namespaced_pod_log",
                    pod["metadata"]["name"],
                    self._cluster.namespace,
                    container=CONTAINER,
                    tail_lines=_LOG_LINES,
                    limit_bytes=_LOG_BYTES,
                )
        except REMOTE as error:
            self._log.warning("the log of pod %s cannot be read: %s", pod["metadata"]["name"], error)
            log = ""
        return redacted(log or text(part(task_state(pod), "terminated"), "message")) or None


def _job_of(ref: HandleRef, jobs: Mapping[str, Object]) -> Object | None:
    """Return the attempt's Job; a name is a slot, the uid says who is in it."""
    job = jobs.get(ref.external_id or "")
    wanted = (ref.handle or {}).get("uid")
    return job if job is not None and wanted in {None, uid_of(job)} else None


def _pods_of(job: Object | None, pods: Mapping[str | None, Sequence[Object]]) -> list[Object]:
    if job is None:
        return []
    return [pod for pod in pods.get(attempt_of(job), ()) if uid_of(job) in owner_uids(pod)]


def _lacks_pod(job: Object | None, pods: Sequence[Object]) -> bool:
    return job is not None and not pods and not part(job, "spec").get("suspend")
