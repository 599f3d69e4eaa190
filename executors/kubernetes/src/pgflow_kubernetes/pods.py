"""Reads pods: which one counts, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pgflow_kubernetes.manifest import CONTAINER
from pgflow_kubernetes.objects import Object, part, parts, text

__all__ = [
    "NEVER_RAN",
    "end_of",
    "exit_code",
    "failed_init",
    "has_ended",
    "has_run",
    "has_succeeded",
    "pod_of",
    "task_state",
]

NEVER_RAN: Final = {"StartError", "ContainerCannotRun", "RunContainerError"}
"""Ends of containers whose command was never there."""


def pod_of(pods: Sequence[Object]) -> Object | None:
    """Return the latest pod: an old server replaces one that was deleted."""
    return max(pods, key=lambda pod: text(part(pod, "metadata"), "creationTimestamp"), default=None)


def task_state(pod: Object) -> Object:
    """Return the state of the container that runs the attempt."""
    for container in parts(pod, "status", "containerStatuses"):
        if container["name"] == CONTAINER:
            return part(container, "state")
    return {}


def has_run(pod: Object) -> bool:
    """Say whether the attempt's container runs or has run."""
    state = task_state(pod)
    ended = part(state, "terminated")
    return "running" in state or (bool(ended) and ended.get("reason") not in NEVER_RAN)


def has_ended(pod: Object) -> bool:
    """Say whether the attempt's container is over; side-cars may go on."""
    return part(pod, "status").get("phase") in {"Failed", "Succeeded"} or "terminated" in task_state(pod)


def has_succeeded(pod: Object) -> bool:
    """Say whether the attempt's container ended with exit code 0."""
    phase, ended = part(pod, "status").get("phase"), part(task_state(pod), "terminated")
    return phase == "Succeeded" or (phase != "Failed" and bool(ended) and not ended["exitCode"])


def failed_init(pod: Object) -> Object | None:
    """Return the init container that kept the attempt from running; one that failed later is a side-car."""
    if has_run(pod):
        return None
    return next((each for each in parts(pod, "status", "initContainerStatuses") if exit_code(each)), None)


def exit_code(container: Object) -> int:
    """Return how a container ended; 0 if it has not."""
    return int(part(container, "state", "terminated").get("exitCode") or 0)


def end_of(pod: Object) -> Object:
    """Return how the container that decides ended; nothing if none has."""
    init = failed_init(pod)
    return part(task_state(pod) if init is None else part(init, "state"), "terminated")
