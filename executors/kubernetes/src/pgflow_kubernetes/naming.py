"""The names and labels by which an attempt is found in the cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pgflow.executor import Attempt

from pgflow_kubernetes.objects import Object, part, text

__all__ = ["ATTEMPT", "INSTALLATION", "SPEC_HASH", "attempt_of", "job_name", "labels", "selector"]

ATTEMPT: Final = "pgflow.dev/attempt"
INSTALLATION: Final = "pgflow.dev/installation"
SPEC_HASH: Final = "pgflow.dev/spec-hash"
_MANAGED_BY: Final = "app.kubernetes.io/managed-by"


def job_name(attempt: Attempt) -> str:
    """Return the name that the database committed with the claim: the same, whoever launches the attempt."""
    if attempt.external_id is None:
        raise ValueError("the attempt was claimed without an external_id: it cannot be launched elsewhere")
    return attempt.external_id


def labels(installation: str, name: str) -> dict[str, str]:
    """Return what marks a Job, its pod and its Secret as those of one attempt."""
    return {_MANAGED_BY: "pgflow", INSTALLATION: installation, ATTEMPT: name}


def selector(installation: str, names: Iterable[str] = ()) -> str:
    """Select the objects of an installation, or of some of its attempts."""
    parts = [f"{_MANAGED_BY}=pgflow", f"{INSTALLATION}={installation}"]
    some = ",".join(names)
    return ",".join([*parts, f"{ATTEMPT} in ({some})"] if some else parts)


def attempt_of(item: Object) -> str | None:
    """Return the name of the attempt that an object belongs to."""
    return text(part(item, "metadata", "labels"), ATTEMPT) or None
