"""Attempts to launch, and Jobs and pods as an API server shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pgflow.executor import Attempt
from pgflow_kubernetes.settings import KubernetesSettings, KubernetesStepOptions
from pgflow_testing.executor_suite import make_attempt as any_attempt

TOKEN = any_attempt(KubernetesStepOptions()).attempt_token
CREDENTIALS = {"envelope": '{"v":1}', "token": str(TOKEN)}
NAME = "pgf-0123456789-1"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_settings(**changes) -> KubernetesSettings:
    return KubernetesSettings(**{"namespace": "tasks", "image": "flows:1", **changes})


def make_attempt(options=None, **changes) -> Attempt:
    mine = {"flow_slug": "training", "step_slug": "train", "handler": "shop:train", "external_id": NAME}
    mine["lease_expires_at"] = NOW + timedelta(seconds=60)
    return any_attempt(KubernetesStepOptions(**(options or {})), **{**mine, **changes})


def condition(kind, reason="", message="", status="True", age=0.0):
    about = {"type": kind, "status": status, "reason": reason, "message": message}
    return {**about, "lastTransitionTime": ago(age)}


def make_job(*conditions, suspend=False, uid="job-uid", age=None, deadline=None):
    """A Job that began `age` seconds ago."""
    spec = {"suspend": True} if suspend else {}
    if deadline is not None:
        spec["activeDeadlineSeconds"] = deadline
    status = {"conditions": list(conditions)}
    if age is not None:
        status["startTime"] = ago(age)
    return {"metadata": {"name": NAME, "uid": uid}, "spec": spec, "status": status}


def make_pod(phase="Running", state=None, *conditions, age=0.0, name="p", init=None, deleted=None, **status):
    """A pod whose container `task` is in a state, such as {"running": {}}; `deleted` says how long ago."""
    about = {"name": name, "creationTimestamp": ago(age)}
    if deleted is not None:
        about |= {"deletionTimestamp": ago(deleted - 30), "deletionGracePeriodSeconds": 30}
    containers = (
        []
        if state is None
        else [{"name": "sidecar", "state": {"running": {}}}, {"name": "task", "state": state}]
    )
    inits = [] if init is None else [{"name": "fetch", "state": init}]
    return {
        "metadata": about,
        "spec": {"restartPolicy": "Never"},
        "status": {
            "phase": phase,
            "conditions": list(conditions),
            "containerStatuses": containers,
            "initContainerStatuses": inits,
            **status,
        },
    }


def ago(seconds):
    """A time as the API server writes it."""
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def ended(code, reason="Error", message="", age=0.0):
    about = {"exitCode": code, "reason": reason, "message": message, "finishedAt": ago(age)}
    return {"terminated": about}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}
