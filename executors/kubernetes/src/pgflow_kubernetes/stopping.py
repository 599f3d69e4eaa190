"""Tells a pod that was stopped from outside from one that ended by itself.

Kubernetes deletes a pod first and says why afterwards, in the Job.  What is seen in between is judged by
the times in the objects alone, which are the cluster's own, and not by the dispatcher's clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from pgflow_kubernetes.objects import Object, moment, part
from pgflow_kubernetes.pods import end_of

__all__ = ["is_overdue", "is_past_deadline", "stopped_at"]

_PATIENCE: Final = timedelta(seconds=60)
"""How long a pod may outlive its grace before nobody is expected to speak for it: its node is lost."""


def stopped_at(pod: Object) -> datetime | None:
    """Return when somebody deleted the pod, if it had not come to its end before."""
    about = part(pod, "metadata")
    last = moment(about, "deletionTimestamp")
    if last is None:
        return None
    # The time of a deletion is that of the end of its grace.
    deleted = last - timedelta(seconds=int(about.get("deletionGracePeriodSeconds") or 0))
    ended = moment(end_of(pod), "finishedAt")
    return None if ended is not None and ended < deleted else deleted


def is_past_deadline(job: Object, when: datetime | None) -> bool:
    """Say whether a time lies past the Job's own deadline."""
    start, seconds = moment(part(job, "status"), "startTime"), part(job, "spec").get("activeDeadlineSeconds")
    if when is None or start is None or seconds is None:
        return False
    return when >= start + timedelta(seconds=int(seconds))


def is_overdue(pod: Object, now: datetime) -> bool:
    """Say whether a deleted pod is there long after it had to be gone."""
    last = moment(part(pod, "metadata"), "deletionTimestamp")
    return last is not None and now >= last + _PATIENCE
