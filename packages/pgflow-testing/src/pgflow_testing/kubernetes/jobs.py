"""The Job controller: makes the pods of Jobs, counts them, ends Jobs and clears them away."""

from __future__ import annotations

import asyncio
import copy
import random
import string
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pgflow_testing.kubernetes.job_status import (
    TRACKING,
    Verdict,
    condition,
    has_ended,
    judge,
    set_condition,
    tally,
)
from pgflow_testing.kubernetes.objects import Object, part, parts, place, take_off
from pgflow_testing.kubernetes.refusals import Refusal
from pgflow_testing.kubernetes.registry import Registry
from pgflow_testing.kubernetes.resources import JOB, POD, QUOTA
from pgflow_testing.kubernetes.store import Change, now

__all__ = ["JobController"]

_SOURCE: Final = "job-controller"
_SUFFIX: Final = string.digits + string.ascii_lowercase
_FIRST_PAUSE: Final = 10.0
_LONGEST_PAUSE: Final = 600.0
_QUOTA_PAUSE: Final = 1.0


class JobController:
    """Brings each Job a step further whenever it, its pods or the time have changed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._store = registry.store
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        """How many pods of a Job had failed when another did, and when that was."""

    def see(self, change: Change) -> None:
        """Look at the Jobs that a change concerns."""
        about = change.item["metadata"]
        if change.kind is JOB:
            self._sync(about)
        elif change.kind is POD:
            owners = [owner for owner in parts(about, "ownerReferences") if owner["kind"] == "Job"]
            if not owners:
                self._let_go([change.item])
            for owner in owners:
                self._sync({**owner, "namespace": about["namespace"]})
        elif change.kind is QUOTA:
            for job in self._store.all(JOB, about["namespace"]):
                self._sync(job["metadata"])

    def close(self) -> None:
        """Forget what would be done later."""
        for timer in self._timers.values():
            timer.cancel()

    def _later(self, about: Object, seconds: float) -> None:
        uid = about["uid"]
        if uid in self._timers:
            self._timers[uid].cancel()
        loop = asyncio.get_running_loop()
        self._timers[uid] = loop.call_later(max(0.0, seconds), self._sync, about)

    def _sync(self, about: Object) -> None:
        job = self._store.get(JOB, about["namespace"], about["name"])
        pods = [pod for pod in self._store.all(POD, about["namespace"]) if _is_owned(pod, about["uid"])]
        if job is None or job["metadata"]["uid"] != about["uid"]:
            self._let_go(pods)
            return
        if has_ended(job) or "deletionTimestamp" in job["metadata"]:
            self._let_go(pods)
            self._expire(job)
            return
        status = copy.deepcopy(part(job, "status"))
        active, succeeded, failed = tally(job, pods)
        verdict, counted = judge(job, failed)
        status["succeeded"] = status.get("succeeded", 0) + len(succeeded)
        status["failed"] = status.get("failed", 0) + len(counted)
        self._let_go([*succeeded, *failed])
        self._advance(job, status, active, verdict or self._verdict(job, status))
        for key in ("active", "succeeded", "failed", "terminating"):
            if not status.get(key):
                status.pop(key, None)
        self._store.amend(JOB, job, lambda draft: draft.update(status=status))

    def _verdict(self, job: Object, status: Object) -> Verdict | None:
        spec, target = job["spec"], condition(job, "FailureTarget")
        if target is not None:
            return Verdict("Failed", target["reason"], target["message"])
        wanted = spec.get("completions", 1)
        if status["succeeded"] >= wanted and not spec.get("suspend"):
            return Verdict("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
        if status["failed"] > spec["backoffLimit"]:
            reason = "BackoffLimitExceeded"
            return Verdict("Failed", reason, "Job has reached the specified backoff limit")
        limit = spec.get("activeDeadlineSeconds")
        if limit is not None and status.get("startTime") and not spec.get("suspend"):
            left = limit - _age(status["startTime"])
            if left <= 0:
                return Verdict("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
            self._later(job["metadata"], left)
        return None

    def _advance(
        self, job: Object, status: Object, active: Sequence[Object], verdict: Verdict | None
    ) -> None:
        """Do what is next: end, suspend, or have as many pods as are wanted."""
        if verdict is not None:
            self._end(job, status, active, verdict)
        elif job["spec"].get("suspend"):
            self._delete(active)
            status.pop("startTime", None)
            if condition(job, "Suspended") is None:
                set_condition(status, "Suspended", "JobSuspended", "Job suspended")
                self._registry.tell(job, "Normal", "Suspended", "Job suspended", _SOURCE)
            active = []
        else:
            if condition(job, "Suspended") is not None:
                set_condition(status, "Suspended", "JobResumed", "Job resumed", "False")
                self._registry.tell(job, "Normal", "Resumed", "Job resumed", _SOURCE)
            if not status.get("startTime"):
                # The deadline counts from here; it is looked at when this change is seen.
                status["startTime"] = now()
            active = self._scale(job, status, active)
        status["active"] = len(active)
        status["ready"] = sum(condition(pod, "Ready") is not None for pod in active)
        status["terminating"] = sum("deletionTimestamp" in pod["metadata"] for pod in active)

    def _end(self, job: Object, status: Object, active: Sequence[Object], verdict: Verdict) -> None:
        target = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[verdict.kind]
        if condition(job, target) is None:
            set_condition(status, target, verdict.reason, verdict.message)
        self._delete(active)
        still = [pod for pod in active if self._store.get(POD, *place(pod)) is not None]
        if still:
            return
        set_condition(status, verdict.kind, verdict.reason, verdict.message)
        if verdict.kind == "Complete":
            status["completionTime"] = now()
            self._registry.tell(job, "Normal", "Completed", "Job completed", _SOURCE)
        else:
            self._registry.tell(job, "Warning", verdict.reason, verdict.message, _SOURCE)

    def _scale(self, job: Object, status: Object, active: Sequence[Object]) -> list[Object]:
        spec = job["spec"]
        wanted = spec["parallelism"]
        if spec.get("completions") is not None:
            wanted = min(wanted, spec["completions"] - status["succeeded"])
        self._delete(active[wanted:] if wanted < len(active) else ())
        made: list[Object] = []
        if len(active) < wanted and not self._must_pause(job, status):
            for _ in range(wanted - len(active)):
                pod = self._create_pod(job)
                if pod is None:
                    break
                made.append(pod)
        return [*active, *made]

    def _must_pause(self, job: Object, status: Object) -> bool:
        """Wait between a failure and the next pod, longer each time."""
        if not status["failed"]:
            return False
        uid, time = job["metadata"]["uid"], asyncio.get_running_loop().time()
        count, since = self._failures.get(uid, (0, time))
        if count != status["failed"]:
            since = time
            self._failures[uid] = (status["failed"], since)
        pause: float = min(_FIRST_PAUSE * 2.0 ** (status["failed"] - 1), _LONGEST_PAUSE) - (time - since)
        if pause > 0:
            self._later(job["metadata"], pause)
        return pause > 0

    def _create_pod(self, job: Object) -> Object | None:
        about, template = job["metadata"], job["spec"]["template"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": about["name"], "uid": about["uid"]}
        name = about["name"][:57] + "-" + "".join(random.choices(_SUFFIX, k=5))
        pod = {
            "metadata": {
                **copy.deepcopy(template["metadata"]),
                "name": name,
                "generateName": about["name"] + "-",
                "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
                "finalizers": [TRACKING],
            },
            "spec": template["spec"],
        }
        try:
            made = self._registry.create(POD, about["namespace"], pod)
        except Refusal as refusal:
            told = f"Error creating: {refusal.message.replace(name, about['name'] + '-')}"
            self._registry.tell(job, "Warning", "FailedCreate", told, _SOURCE)
            self._later(about, _QUOTA_PAUSE)
            return None
        self._registry.tell(job, "Normal", "SuccessfulCreate", f"Created pod: {name}", _SOURCE)
        return made

    def _delete(self, pods: Sequence[Object]) -> None:
        for pod in pods:
            if "deletionTimestamp" not in pod["metadata"]:
                self._registry.delete(POD, *place(pod))

    def _let_go(self, pods: Sequence[Object]) -> None:
        """Take off what keeps counted pods."""
        for pod in pods:
            if TRACKING in parts(pod, "metadata", "finalizers"):
                self._store.amend(POD, pod, lambda draft: take_off(draft, TRACKING))

    def _expire(self, job: Object) -> None:
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        if ttl is None or "deletionTimestamp" in job["metadata"]:
            return
        ended = next(found for kind in ("Complete", "Failed") if (found := condition(job, kind)))
        left = ttl - _age(ended["lastTransitionTime"])
        if left > 0:
            self._later(job["metadata"], left)
            return
        about = job["metadata"]
        self._registry.delete(JOB, about["namespace"], about["name"], {"propagationPolicy": "Foreground"})


def _is_owned(pod: Object, uid: str) -> bool:
    owners: list[str] = [owner["uid"] for owner in parts(pod, "metadata", "ownerReferences")]
    return uid in owners


def _age(time: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()
