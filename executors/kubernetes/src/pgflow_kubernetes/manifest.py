"""The Job of an attempt: a pure function of the attempt, the operator's settings and the step's options."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, cast

from pgflow.executor import Attempt

from pgflow_kubernetes.delivery import Way, check_size, fed, variables, volumes
from pgflow_kubernetes.merging import merged
from pgflow_kubernetes.naming import SPEC_HASH, attempt_of, job_name, labels
from pgflow_kubernetes.objects import Object, part, text
from pgflow_kubernetes.settings import KubernetesSettings, KubernetesStepOptions

__all__ = ["CONTAINER", "build_job", "same_job"]

CONTAINER: Final = "task"

_RUNTIME: Final = ("python", "-m", "pgflow.runtime")
_SLACK: Final = timedelta(seconds=60)
_LONGEST_PATIENCE: Final = timedelta(days=1)


def build_job(
    attempt: Attempt,
    settings: KubernetesSettings,
    credentials: Mapping[str, str],
    *,
    patience: timedelta,
    edited: Callable[[Mapping[str, Any]], dict[str, Any]] = dict,
) -> dict[str, Any]:
    """Return the Job: defaults, the template, the options of the step, its patch, edits of plugins, ours.

    `credentials` are the envelope and the token; `patience` is how long the launch may take.  Raises
    ValueError for an envelope that no process could be given.
    """
    asked = cast("KubernetesStepOptions", attempt.options)
    way = asked.envelope or "env"
    check_size(credentials, way)
    manifest: dict[str, Any] = _defaults(settings)
    for layer in (settings.template, _as_asked(settings, asked), asked.manifest_patch or {}):
        manifest = merged(manifest, layer)
    ours = _ours(attempt, settings, credentials, way)
    manifest = merged(edited(merged(manifest, ours)), ours)
    if way == "stdin":
        (task,) = (
            each for each in manifest["spec"]["template"]["spec"]["containers"] if each["name"] == CONTAINER
        )
        task["command"] = fed(task.get("command"))
    spec_hash = _hash(manifest)
    spec = manifest["spec"]
    patience = min(max(patience, timedelta()), _LONGEST_PATIENCE)
    spec["activeDeadlineSeconds"] = math.ceil((attempt.timeout + patience + _SLACK).total_seconds())
    spec["suspend"] = settings.credentials == "secret"
    manifest["metadata"]["annotations"][SPEC_HASH] = spec_hash
    return manifest


def same_job(found: Object, wanted: Object) -> bool:
    """Say whether a Job that is there is the one that we would make."""
    hashes = [text(part(job, "metadata", "annotations"), SPEC_HASH) for job in (found, wanted)]
    is_going = "deletionTimestamp" in part(found, "metadata")
    return attempt_of(found) == attempt_of(wanted) and hashes[0] == hashes[1] and not is_going


def _defaults(settings: KubernetesSettings) -> dict[str, Any]:
    """Return what a template may change."""
    container = {
        "name": CONTAINER,
        "command": list(_RUNTIME),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False},
    }
    return {
        "spec": {
            "ttlSecondsAfterFinished": settings.ttl,
            "template": {
                "metadata": {"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 30,
                    "containers": [container],
                },
            },
        },
    }


def _as_asked(settings: KubernetesSettings, asked: KubernetesStepOptions) -> dict[str, Any]:
    """Return what the step's options say."""
    container: dict[str, Any] = {"name": CONTAINER, "image": asked.image or settings.image}
    pod: dict[str, Any] = {
        "serviceAccountName": asked.service_account or settings.service_account,
        "nodeSelector": asked.node_selector,
        "tolerations": asked.tolerations,
        "containers": [container],
    }
    container["command"] = asked.command
    container["resources"] = _resources(settings, asked)
    if asked.env:
        container["env"] = [{"name": name, "value": value} for name, value in asked.env.items()]
    if asked.volumes:
        numbered = [(f"step-{number}", *item) for number, item in enumerate(asked.volumes.items())]
        pod["volumes"] = [{"name": name, **source} for name, _, source in numbered]
        container["volumeMounts"] = [{"name": name, "mountPath": path} for name, path, _ in numbered]
    # Here a None is "not asked for", in a patch it takes away.
    pod["containers"] = [_given(container)]
    return {"spec": {"template": {"spec": _given(pod)}}}


def _resources(settings: KubernetesSettings, asked: KubernetesStepOptions) -> dict[str, Any] | None:
    requests = {"cpu": None if asked.cpu is None else str(asked.cpu), "memory": asked.memory}
    gpu = None if asked.gpu is None else str(asked.gpu)
    limits = {"memory": asked.memory, settings.gpu_resource: gpu}
    resources = {"requests": _given(requests), "limits": _given(limits)}
    return {kind: amounts for kind, amounts in resources.items() if amounts} or None


def _ours(
    attempt: Attempt, settings: KubernetesSettings, credentials: Mapping[str, str], way: Way
) -> dict[str, Any]:
    """Return what nobody may change: who it is, that it runs once, and how it reports."""
    name = job_name(attempt)
    marks = labels(settings.installation, name)
    volume, mount = volumes(name, way)
    uid = {"name": "PGFLOW_INSTANCE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    env = [uid, *variables(name, credentials, way, plain=settings.credentials == "env")]
    if settings.handlers is not None:
        env.append({"name": "PGFLOW_HANDLERS", "value": ",".join(settings.handlers)})
    container = {"name": CONTAINER, "env": env, **mount}
    disrupted = {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    about = {
        "pgflow.dev/flow": attempt.flow_slug,
        "pgflow.dev/step": f"{attempt.step_slug}[{attempt.task_index}]",
        "pgflow.dev/run": str(attempt.run_id),
    }
    pod = {"restartPolicy": "Never", "containers": [container], **volume}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": settings.namespace,
            "labels": marks,
            "annotations": about,
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            # Without it Kubernetes starts another pod for one that a node lost: the core alone retries.
            "podFailurePolicy": {"rules": [disrupted]},
            "template": {"metadata": {"labels": marks, "annotations": about}, "spec": pod},
        },
    }


def _hash(manifest: Mapping[str, Any]) -> str:
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
