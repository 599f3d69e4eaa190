"""Asks a cluster, for `pgflow doctor`, whether Jobs could run there, and what it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from pgflow.executor import DeployedStep, Hindrance

from pgflow_kubernetes.allowed import refusals
from pgflow_kubernetes.answers import REMOTE, judge
from pgflow_kubernetes.cluster import BATCH, Cluster, Refused
from pgflow_kubernetes.settings import KubernetesSettings, KubernetesStepOptions

__all__ = ["NEEDS", "SECRET", "SECRET_FIRST", "check_cluster", "check_steps"]

NEEDS: Final = (
    ("batch", "jobs", "create"),
    ("batch", "jobs", "get"),
    ("batch", "jobs", "list"),
    ("batch", "jobs", "watch"),
    ("batch", "jobs", "delete"),
    ("", "pods", "list"),
    ("", "pods/log", "get"),
    ("", "events", "list"),
)
"""Rights of the dispatcher as (group, resource, verb), whatever the cluster."""
SECRET: Final = (("", "secrets", "create"), ("batch", "jobs", "patch"))
SECRET_FIRST: Final = (("", "secrets", "create"), ("", "secrets", "patch"), ("", "secrets", "delete"))
"""Besides, to make Secrets for suspended Jobs, or before Jobs where those cannot be suspended."""


async def check_cluster(cluster: Cluster, settings: KubernetesSettings) -> Sequence[Hindrance]:
    """Return what keeps Jobs from running; nothing is made."""
    try:
        version = await cluster.call("VersionApi", "get_code")
    except REMOTE as error:
        return [_hindrance("the cluster", error)]
    try:
        probe = await cluster.call(
            BATCH, "create_namespaced_job", settings.namespace, _probe(settings), dry_run="All"
        )
    except REMOTE as error:
        lacking = await _rights(cluster, settings, NEEDS)
        return lacking or [_hindrance(f"a Job in namespace {settings.namespace}", error)]
    suspends = bool(probe["spec"].get("suspend"))
    needs = [*NEEDS, *(() if settings.credentials == "env" else SECRET if suspends else SECRET_FIRST)]
    return [*_lacks(probe, str(version.get("gitVersion"))), *await _rights(cluster, settings, needs)]


def check_steps(settings: KubernetesSettings, steps: Sequence[DeployedStep]) -> Sequence[Hindrance]:
    """Return what steps ask for and will not get: their launches would be refused."""
    mend = "allow it in the settings of the executor, or change the step"
    return [
        Hindrance(f"{step.flow_slug}.{step.step_slug}", refusal, mend)
        for step in steps
        for refusal in refusals(settings, cast("KubernetesStepOptions", step.options))
    ]


def _lacks(probe: Mapping[str, Any], version: str) -> Iterator[Hindrance]:
    """Say which fields of a Job the server drops."""
    if not probe["spec"].get("suspend"):
        yield Hindrance(
            f"Kubernetes {version}",
            "it drops `suspend` of Jobs: Secrets are made before their Jobs",
            "use 1.24 or newer, where a crash in between leaves nothing; it works as it is",
            "warning",
        )
    if not probe["spec"].get("podFailurePolicy"):
        yield Hindrance(
            f"Kubernetes {version}",
            "it drops `podFailurePolicy` of Jobs: it replaces an evicted pod by one that runs nothing",
            "use 1.26 or newer; until then such an attempt ends by its heartbeat_timeout or timeout",
            "warning",
        )


async def _rights(
    cluster: Cluster, settings: KubernetesSettings, needs: Sequence[tuple[str, str, str]]
) -> list[Hindrance]:
    """Ask for each right; a cluster that does not say so is believed to grant it."""
    granted = await asyncio.gather(*(_may(cluster, settings.namespace, *need) for need in needs))
    lacking = [need for need, may in zip(needs, granted, strict=True) if not may]
    if not lacking:
        return []
    names = ", ".join(f"{verb} {resource}" for _, resource, verb in lacking)
    subject = f"namespace {settings.namespace}"
    return [Hindrance(subject, f"the dispatcher must not {names}", "add this to its Role")]


async def _may(cluster: Cluster, namespace: str, group: str, resource: str, verb: str) -> bool:
    kind, _, part = resource.partition("/")
    attributes = {"namespace": namespace, "group": group, "resource": kind, "subresource": part, "verb": verb}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = await cluster.call("AuthorizationV1Api", "create_self_subject_access_review", review)
    except Refused:
        return True
    return bool(answer["status"]["allowed"])


def _probe(settings: KubernetesSettings) -> dict[str, Any]:
    """Return a Job that is only checked, never made."""
    container = {"name": "task", "image": settings.image or "pgflow.invalid/probe"}
    disrupted = {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "pgf-probe-", "namespace": settings.namespace},
        "spec": {
            "suspend": True,
            "backoffLimit": 0,
            "podFailurePolicy": {"rules": [disrupted]},
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def _hindrance(subject: str, error: Exception) -> Hindrance:
    return Hindrance(subject, judge(error).reason, "see docs/how-to/kubernetes.md, Troubleshooting")
