"""Where an attempt stands, from its Job and its pods: a pure function, a branch for each failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pgflow.executor import Phase

from pgflow_kubernetes.objects import Object, condition, moment, part, parts, text
from pgflow_kubernetes.pods import (
    NEVER_RAN,
    end_of,
    exit_code,
    failed_init,
    has_ended,
    has_run,
    has_succeeded,
    pod_of,
    task_state,
)
from pgflow_kubernetes.stopping import is_overdue, is_past_deadline, stopped_at

__all__ = ["Finding", "diagnose"]

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

_DISRUPTIONS: Final = {
    "NodeLost",
    "NodeShutdown",
    "Preempting",
    "Shutdown",
    "Terminated",
    "UnexpectedAdmissionError",
}
_UNKNOWN: Final = "ContainerStatusUnknown"
"""The node has no container to tell of; the exit code is made up."""

_KILLED: Final = 137
_NOT_COUNTED: Final = "pull QPS exceeded"
"""The node's own limit: it goes on by itself."""

_TOO_LONG: Final = "it ran until the deadline of its Job"


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
    started = None if pod is None else has_run(pod)
    failed = condition(job, "Failed")
    if failed is not None:
        return _failed_job(job, failed, pod, started)
    if condition(job, "Complete") is not None:
        return Finding(Phase.EXITED_OK, started=True)
    if pod is None:
        waits = "the Job is suspended" if job["spec"].get("suspend") else "the Job has no pod yet"
        return Finding(Phase.PENDING, detail=f"{waits}: {events}" if events else waits)
    return _live_pod(job, pod, started, now, grace)


def _live_pod(job: Object, pod: Object, started: bool | None, now: datetime, grace: timedelta) -> Finding:
    """Judge a pod whose Job has no verdict yet."""
    overdue = is_overdue(pod, now)
    if overdue or has_ended(pod):
        found = _ended_pod(job, pod, started)
        if found.code == "POD_LOST" and not overdue:
            # Who deleted it is about to be seen: the Job ends or goes, or an old server replaces the pod.
            return Finding(Phase.RUNNING, detail=found.detail, started=started)
        return found
    if "running" in task_state(pod):
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


def _failed_job(job: Object, failed: Object, pod: Object | None, started: bool | None) -> Finding:
    reason, message = text(failed, "reason"), text(failed, "message")
    said = f"{reason}: {message}"
    if reason == "DeadlineExceeded":
        return Finding(Phase.EXITED_ERROR, "TIMEOUT", said, started)
    if pod is not None and (has_ended(pod) or stopped_at(pod) is not None):
        return _ended_pod(job, pod, started)
    if reason == "PodFailurePolicy":
        return Finding(Phase.EXITED_ERROR, "DISRUPTED", said, started)
    if is_past_deadline(job, moment(failed, "lastTransitionTime")):
        # A Job controller that meets the pod it has just killed takes it for one that failed.
        return Finding(Phase.EXITED_ERROR, "TIMEOUT", f"{_TOO_LONG}; {said}", started)
    return Finding(Phase.EXITED_ERROR, "POD_LOST", f"its pod is gone; {said}", started)


def _ended_pod(job: Object, pod: Object, started: bool | None) -> Finding:
    """Say why a pod ended: what Kubernetes says of it, then who stopped it, then its exit code."""
    stopped = stopped_at(pod)
    if stopped is None and has_succeeded(pod):
        # Side-cars may go on; the attempt does not.
        return Finding(Phase.EXITED_OK, started=True)
    found = _explained(pod, started)
    if found is not None:
        return found
    if is_past_deadline(job, stopped):
        return Finding(Phase.EXITED_ERROR, "TIMEOUT", _TOO_LONG, started)
    if stopped is not None:
        return Finding(Phase.EXITED_ERROR, "POD_LOST", "its pod was deleted while it ran", started)
    failed = failed_init(pod)
    if failed is not None:
        detail = f"the init container {failed['name']} ended with exit code {exit_code(failed)}"
        return Finding(Phase.EXITED_ERROR, "INIT_FAILED", detail, started=False)
    return _exit(pod, started)


def _explained(pod: Object, started: bool | None) -> Finding | None:
    """Return the reason that Kubernetes gives for the end of a pod."""
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
    return None


def _exit(pod: Object, started: bool | None) -> Finding:
    ended = end_of(pod)
    reason = text(ended, "reason")
    if not ended or reason == _UNKNOWN:
        detail = ": ".join(filter(None, (text(part(pod, "status"), key) for key in ("reason", "message"))))
        detail = detail or "its pod failed and does not say why"
        return Finding(Phase.EXITED_ERROR, "POD_LOST", detail, started)
    code = int(ended["exitCode"])
    if reason in NEVER_RAN:
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


def _since(pod: Object) -> datetime:
    """Return since when the pod has a node, else since when it is there."""
    since = text(part(pod, "status"), "startTime") or text(part(pod, "metadata"), "creationTimestamp")
    return datetime.fromisoformat(since)
