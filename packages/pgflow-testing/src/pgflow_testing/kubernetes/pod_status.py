"""What a node writes into the status of a pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pgflow_testing.kubernetes.job_status import set_condition
from pgflow_testing.kubernetes.objects import Object, parts

__all__ = ["States", "final_phase", "has_run", "write_status"]

States = Mapping[str, Object]
"""The state of each container by its name."""

_WAITING: Final[Object] = {"waiting": {"reason": "ContainerCreating"}}
_INITIALIZING: Final[Object] = {"waiting": {"reason": "PodInitializing"}}


def write_status(pod: Object, phase: str, states: States, restarts: Mapping[str, int]) -> None:
    """Write phase, conditions and the containers' states, in place."""
    spec, status = pod["spec"], pod["status"]
    status["phase"] = phase
    status |= {"hostIP": "127.0.0.1", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}
    waiting = _INITIALIZING if spec.get("initContainers") else _WAITING
    containers = [
        _container(each, states.get(each["name"], waiting), restarts) for each in spec["containers"]
    ]
    status["containerStatuses"] = containers
    inits: list[Any] = [
        _container(each, states.get(each["name"], waiting), restarts)
        for each in parts(spec, "initContainers")
    ]
    if inits:
        status["initContainerStatuses"] = inits
    is_ready = phase == "Running" and all(each["ready"] for each in containers)
    is_initialized = all(has_run(each["state"], 0) for each in inits)
    for kind, value in (("Initialized", is_initialized), ("ContainersReady", is_ready), ("Ready", is_ready)):
        reason = "" if value else "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"
        set_condition(status, kind, reason, value=str(value))


def final_phase(pod: Object, states: States) -> str:
    """Say how a pod ended none of whose containers runs any more."""
    ended = [states.get(each["name"], _WAITING) for each in pod["spec"]["containers"]]
    return "Succeeded" if all(has_run(state, 0) for state in ended) else "Failed"


def has_run(state: Object, code: int) -> bool:
    """Say whether a container ended with this code."""
    return "terminated" in state and state["terminated"]["exitCode"] == code


def _container(spec: Object, state: Object, restarts: Mapping[str, int]) -> Object:
    is_running = "running" in state
    return {
        "name": spec["name"],
        "image": spec["image"],
        "imageID": "",
        "containerID": "" if "waiting" in state else f"process://{spec['name']}",
        "ready": is_running,
        "started": is_running,
        "restartCount": restarts.get(spec["name"], 0),
        "state": state,
        "lastState": {},
    }
