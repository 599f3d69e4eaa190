"""What a Job's pods say about it: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pgflow_testing.kubernetes.objects import Object, part, parts
from pgflow_testing.kubernetes.store import now

__all__ = ["TRACKING", "Verdict", "condition", "has_ended", "judge", "set_condition", "tally"]

TRACKING: Final = "batch.kubernetes.io/job-tracking"
"""Keeps a pod until the Job has counted it."""

_ENDED: Final = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a Job ends: its condition's type, reason and message."""

    kind: str
    reason: str
    message: str


def condition(item: Object, kind: str, status: str = "True") -> Object | None:
    """Return a condition of an object, if it has that status."""
    found: list[Object] = parts(item, "status", "conditions")
    return next((each for each in found if (each["type"], each["status"]) == (kind, status)), None)


def set_condition(
    status: Object, kind: str, reason: str = "", message: str = "", value: str = "True"
) -> None:
    """Put a condition into a status, in the place of one of that type."""
    found: list[Object] = parts(status, "conditions")
    made: Object = {"type": kind, "status": value, "lastProbeTime": now(), "lastTransitionTime": now()}
    made |= {key: text for key, text in (("reason", reason), ("message", message)) if text}
    status["conditions"] = [*(each for each in found if each["type"] != kind), made]


def has_ended(job: Object) -> bool:
    """Say whether a Job is complete or has failed."""
    return any(condition(job, kind) is not None for kind in ("Complete", "Failed"))


def tally(job: Object, pods: Sequence[Object]) -> tuple[list[Object], list[Object], list[Object]]:
    """Return the pods that go on, and those that succeeded and failed and were not counted before."""
    uncounted = [pod for pod in pods if TRACKING in parts(pod, "metadata", "finalizers")]
    succeeded = [pod for pod in uncounted if pod["status"].get("phase") == "Succeeded"]
    failed = [pod for pod in uncounted if pod["status"].get("phase") == "Failed"]
    rest = [pod for pod in uncounted if pod["status"].get("phase") not in _ENDED]
    if job["spec"]["podReplacementPolicy"] == "TerminatingOrFailed":
        leaving = [pod for pod in rest if "deletionTimestamp" in pod["metadata"]]
        return [pod for pod in rest if pod not in leaving], succeeded, failed + leaving
    return rest, succeeded, failed


def judge(job: Object, failed: Sequence[Object]) -> tuple[Verdict | None, list[Object]]:
    """Ask the podFailurePolicy: the end of the Job, if it is one, and the pods that count as failed."""
    counted: list[Object] = []
    rules: list[Object] = parts(job, "spec", "podFailurePolicy", "rules")
    for pod in failed:
        number, why = next(
            ((number, why) for number, rule in enumerate(rules) if (why := _match(rule, pod))), (-1, "")
        )
        action = rules[number]["action"] if why else "Count"
        if action == "FailJob":
            about = pod["metadata"]
            what = why.format(pod=f"{about['namespace']}/{about['name']}")
            told = f"{what} matching FailJob rule at index {number}"
            return Verdict("Failed", "PodFailurePolicy", told), counted
        if action != "Ignore":
            counted.append(pod)
    return None, counted


def _match(rule: Object, pod: Object) -> str:
    for pattern in parts(rule, "onPodConditions"):
        if condition(pod, pattern["type"], pattern.get("status", "True")) is not None:
            return f"Pod {{pod}} has condition {pattern['type']}"
    wanted = rule.get("onExitCodes")
    if not wanted:
        return ""
    for name, code in _exit_codes(pod):
        is_meant = wanted.get("containerName") in {None, name} and code
        if is_meant and (code in wanted["values"]) is (wanted["operator"] == "In"):
            return f"Container {name} for pod {{pod}} failed with exit code {code}"
    return ""


def _exit_codes(pod: Object) -> list[tuple[str, int]]:
    statuses: list[Any] = [
        *parts(pod, "status", "initContainerStatuses"),
        *parts(pod, "status", "containerStatuses"),
    ]
    return [
        (each["name"], each["state"]["terminated"]["exitCode"])
        for each in statuses
        if "terminated" in part(each, "state")
    ]
