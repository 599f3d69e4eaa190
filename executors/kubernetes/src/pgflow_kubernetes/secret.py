"""The Secret that brings an attempt's envelope and token into its pod, and goes when its Job goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgflow_kubernetes.naming import labels

__all__ = ["build_secret", "owned_by"]


def build_secret(
    name: str, installation: str, credentials: Mapping[str, str], job: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the Secret of an attempt; without a Job it has no owner yet."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": {
            "name": name,
            "labels": labels(installation, name),
            **({} if job is None else owned_by(job)),
        },
        "stringData": dict(credentials),
    }


def owned_by(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that has Kubernetes delete an object together with a Job."""
    about = job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": about["name"], "uid": about["uid"]}
    return {"ownerReferences": [{**owner, "controller": False, "blockOwnerDeletion": False}]}
