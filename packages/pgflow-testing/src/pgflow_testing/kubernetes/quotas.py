"""ResourceQuotas: how many objects a namespace may hold."""

from __future__ import annotations

from pgflow_testing.kubernetes.objects import Object, part
from pgflow_testing.kubernetes.refusals import Refusal
from pgflow_testing.kubernetes.resources import KINDS, QUOTA, Kind
from pgflow_testing.kubernetes.store import Change, Store

__all__ = ["check_quotas", "keep_quotas"]


def check_quotas(store: Store, kind: Kind, item: Object) -> None:
    """Refuse one object too many; raises Refusal."""
    about = item["metadata"]
    for quota in store.all(QUOTA, about.get("namespace") or "") if kind.namespaced else ():
        for resource, most in part(quota, "spec", "hard").items():
            used = _used(store, resource, about["namespace"])
            if kind is not _counted(resource) or used is None or used < int(most):
                continue
            name = about.get("name") or about.get("generateName", "")
            numbers = f"requested: {resource}=1, used: {resource}={used}, limited: {resource}={most}"
            exceeded = f"exceeded quota: {quota['metadata']['name']}, {numbers}"
            told = f'{kind.qualified} "{name}" is forbidden: {exceeded}'
            raise Refusal(403, "Forbidden", told, {"name": name, "kind": kind.plural})


def keep_quotas(store: Store, change: Change) -> None:
    """Write into the quotas of a namespace how much of them is used."""
    about = change.item["metadata"]
    if change.kind is QUOTA and change.after is None:
        return
    for quota in store.all(QUOTA, about.get("namespace") or "") if change.kind.namespaced else ():
        store.amend(QUOTA, quota, lambda draft: _fill(store, draft))


def _fill(store: Store, quota: Object) -> None:
    hard = part(quota, "spec", "hard")
    used = {resource: _used(store, resource, quota["metadata"]["namespace"]) for resource in hard}
    known = {resource: str(count) for resource, count in used.items() if count is not None}
    quota["status"] = {"hard": {resource: str(most) for resource, most in hard.items()}, "used": known}


def _counted(resource: str) -> Kind | None:
    """Return what a quota counts: "pods", "count/pods" or "count/jobs.batch"."""
    name = resource.removeprefix("count/")
    return next((kind for kind in KINDS if kind.qualified == name), None)


def _used(store: Store, resource: str, namespace: str) -> int | None:
    kind = _counted(resource)
    if kind is None:
        return None
    items = store.all(kind, namespace)
    if resource == "pods":
        # Unlike `count/pods`, which counts what is stored.
        items = [each for each in items if each["status"].get("phase") not in {"Succeeded", "Failed"}]
    return len(items)
