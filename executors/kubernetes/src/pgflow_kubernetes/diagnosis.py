"""Where an attempt stands, from its Job and its pods: a pure function, a branch for each failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pgflow.executor import Phase

from pgflow_kubernetes.manifest import CONTAINER
from pgflow_kubernetes.objects import Object, condition, part, parts, text

__all__ = ["Finding", "diagnose", "pod_of", "task_state"]

_HOPELESS: Final = {"InvalidImageName"}
_UNABLE: Final = {
    "CreateContainerConfigError": "CONFIG_MISSING",
    "CreateContainerError": "CANNOT_START",
    "ErrImageNeverPull": "IMAGE_UNAVAILABLE",
    "ErrImagePull": "IMAGE_UNAVAILABLE",
    "ImageInspectError": "IMAGE_UNAVAILABLE",
    "ImagePullBackOff": "IMAGE_UNAVAILABLE",
    "InvalidImageName": "IMAGE_UNAVAILABLE",
    "RegistryUnavailable": "IMAGE_UNAVAILABLE",
    "RunContainerError": "CANNOT_START",
}
"""Why a container waits, and what it is called if it waits for too long."""

_NEVER_RAN: Final = {"StartError", "ContainerCannotRun", "RunContainerError"}
_DISRUPTIONS: Final = {
    "NodeLost",
    "NodeShutdown",
    "Preempting",
    "Shutdown",
    "Terminated",
    "UnexpectedAdmissionError",
}
_KILLED: Final = 137
_NOT_COUNTED: Final = "pull QPS exceeded"
"""The node's own limit: it goes on by itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of an attempt."""

    phase: Phase
    code: str | None = None
    detail: str | None = None
    started: bool | None = None


def diagnose(
    job: Object | None, pods: Sequence[Object], *, now: datetime, grace: timedelta, events: str = ""
) -> Finding:
    """Say where an attempt stands; `events` is why its Job has no pod."""
    if job is None:
        return Finding(Phase.NOT_FOUND)
    pod = pod_of(pods)
    started = None if pod is None else _has_run(pod)
    failed = condition(job, "Failed")
    if failed is not None:
        return _failed_job(failed, pod, started)
    if condition(job, "Complete") is not None:
        return Finding(Phase.EXITED_OK, started=True)
    if pod is None:
        waits = "the Job is suspended" if job["spec"].get("suspend") else "the Job has no pod yet"
        return Finding(Phase.PENDING, detail=f"{waits}: {events}" if events else waits)
    return _live_pod(pod, started, now, grace)


def pod_of(pods: Sequence[Object]) -> Object | None:
    """Return the latest pod: an old server replaces one that was deleted."""
    return max(pods, key=lambda pod: text(part(pod, "metadata"), "creationTimestamp"), default=None)


def _live_pod(pod: Object, started: bool | None, now: datetime, grace: timedelta) -> Finding:
    status = part(pod, "status")
    state = task_state(pod)
    if status.get("phase") == "Failed":
        return _failed_pod(pod, started)
    if status.get("phase") == "Succeeded":
        return Finding(Phase.EXITED_OK, started=True)
    if "terminated" in state:
        # Side-cars may go on; the attempt does not.
        return (
            _failed_pod(pod, started)
            if state["terminated"]["exitCode"]
            else Finding(Phase.EXITED_OK, started=True)
        )
    if "running" in state:
        return Finding(Phase.RUNNING, started=True)
    return _waiting(pod, now, grace)


def _waiting(pod: Object, now: datetime, grace: timedelta) -> Finding:
    """Tell a pod that is on its way from one that will never start."""
    for waiting in _all_waiting(pod):
        reason, message = text(waiting, "reason"), text(waiting, "message")
        if reason not in _UNABLE or _NOT_COUNTED in message:
            continue
        detail = f"{reason}: {message}".removesuffix(": ")
        if reason in _HOPELESS or now - _since(pod) >= grace:
            return Finding(Phase.EXITED_ERROR, _UNABLE[reason], detail, started=False)
        return Finding(Phase.PENDING, detail=detail, started=False)
    unscheduled = condition(pod, "PodScheduled", "False")
    if unscheduled is not None:
        detail = f"{unscheduled.get('reason', '')}: {unscheduled.get('message', '')}"
        return Finding(Phase.PENDING, detail=detail, started=False)
    return Finding(Phase.PENDING)


def _failed_job(failed: Object, pod: Object | None, started: bool | None) -> Finding:
    reason, message = text(failed, "reason"), text(failed, "message")
    said = f"{reason}: {message}"
    if reason == "DeadlineExceeded":
        return Finding(Phase.EXITED_ERROR, "TIMEOUT", said, started)
    if pod is not None and _has_ended(pod):
        return _failed_pod(pod, started)
    if reason == "PodFailurePolicy":
        return Finding(Phase.EXITED_ERROR, "DISRUPTED", said, started)
    return Finding(Phase.EXITED_ERROR, "POD_LOST", f"its pod is gone; {said}", started)


def _failed_pod(pod: Object, started: bool | None) -> Finding:
    """Say why a pod failed: the place first, then the code in it."""
    status = part(pod, "status")
    reason, message = text(status, "reason"), text(status, "message")
    disrupted = condition(pod, "DisruptionTarget")
    if disrupted is not None:
        why = f"{disrupted.get('reason', '')}: {disrupted.get('message', '')}"
        return Finding(Phase.EXITED_ERROR, "DISRUPTED", why, started)
    if reason == "Evicted":
        return Finding(Phase.EXITED_ERROR, "EVICTED", message, started)
    if reason == "DeadlineExceeded":
        return Finding(Phase.EXITED_ERROR, "TIMEOUT", message, started)
    if reason in _DISRUPTIONS:
        return Finding(Phase.EXITED_ERROR, "DISRUPTED", f"{reason}: {message}", started)
    for init in parts(pod, "status", "initContainerStatuses"):
        ended = part(init, "state", "terminated")
        if ended.get("exitCode"):
            detail = f"the init container {init['name']} ended with exit code {ended['exitCode']}"
            return Finding(Phase.EXITED_ERROR, "INIT_FAILED", detail, started=False)
    return _exit(task_state(pod).get("terminated"), started)


def _exit(ended: Object | None, started: bool | None) -> Finding:
    if ended is None:
        return Finding(Phase.EXITED_ERROR, "POD_LOST", "its pod failed and does not say why", started)
    reason, code = text(ended, "reason"), int(ended["exitCode"])
    if reason in _NEVER_RAN:
        detail = f"{reason}: {ended.get('message', '')}"
        return Finding(Phase.EXITED_ERROR, "CANNOT_START", detail, started=False)
    if reason == "OOMKilled":
        return Finding(Phase.EXITED_ERROR, "OUT_OF_MEMORY", "it used more memory than its limit", started)
    if code == _KILLED:
        detail = "exit code 137: it was killed by SIGKILL, most often for want of memory"
        return Finding(Phase.EXITED_ERROR, "KILLED", detail, started)
    detail = f"exit code {code}"
    if 128 < code <= 128 + 64:
        detail += f": killed by signal {code - 128}"
    return Finding(Phase.EXITED_ERROR, "EXIT_CODE", detail, started)


def _all_waiting(pod: Object) -> Iterator[Object]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in parts(pod, "status", kind):
            waiting = part(container, "state", "waiting")
            if waiting:
                yield waiting


def task_state(pod: Object) -> Object:
    """Return the state of the container that runs the attempt."""
    for container in parts(pod, "status", "containerStatuses"):
        if container["name"] == CONTAINER:
            return part(container, "state")
    return {}


def _has_run(pod: Object) -> bool:
    state = task_state(pod)
    ended = part(state, "terminated")
    return "running" in state or (bool(ended) and ended.get("reason") not in _NEVER_RAN)


def _has_ended(pod: Object) -> bool:
    return part(pod, "status").get("phase") == "Failed" or "terminated" in task_state(pod)


def _since(pod: Object) -> datetime:
    """Return since when the pod has a node, else since when it is there."""
    since = text(part(pod, "status"), "startTime") or text(part(pod, "metadata"), "creationTimestamp")
    return datetime.fromisoformat(since)
