"""Deletes what has lost its owners, and what stands between an object that is to go and its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pgflow_testing.kubernetes.objects import Object, parts, place, take_off
from pgflow_testing.kubernetes.registry import FOREGROUND, ORPHAN, Registry
from pgflow_testing.kubernetes.resources import KINDS, NAMESPACE, Kind
from pgflow_testing.kubernetes.store import Change

__all__ = ["Collector"]

_NAMESPACE: Final = "kubernetes"


class Collector:
    """The garbage collector and the namespace controller."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._store = registry.store

    def see(self, change: Change) -> None:
        """Do what follows from a change."""
        if change.after is None:
            self._bereave(change.item)
            return
        item = self._store.get(change.kind, *place(change.item))
        if item is None:
            return
        finalizers: list[str] = parts(item, "metadata", "finalizers")
        if "deletionTimestamp" not in item["metadata"]:
            self._collect(change.kind, item)
        elif ORPHAN in finalizers:
            for kind, dependent in self._dependents(item):
                self._store.amend(kind, dependent, lambda draft: _disown(draft, item))
            self._let_go(change.kind, item, ORPHAN)
        elif FOREGROUND in finalizers:
            self._clear(change.kind, item)
        elif change.kind is NAMESPACE:
            self._empty(item)

    def _bereave(self, gone: Object) -> None:
        """See to what was owned by an object, and to what waited for its end."""
        for kind, dependent in self._dependents(gone):
            self._collect(kind, dependent)
        for owner in parts(gone, "metadata", "ownerReferences"):
            for kind in KINDS:
                item = self._store.get(kind, gone["metadata"].get("namespace", ""), owner["name"])
                if kind.name == owner["kind"] and item is not None and _is_in_foreground(item):
                    self._clear(kind, item)
        namespace = self._store.get(NAMESPACE, "", gone["metadata"].get("namespace") or "")
        if namespace is not None and "deletionTimestamp" in namespace["metadata"]:
            self._empty(namespace)

    def _collect(self, kind: Kind, item: Object) -> None:
        """Delete an object none of whose owners is there."""
        owners = parts(item, "metadata", "ownerReferences")
        if owners and not any(self._is_there(owner, item) for owner in owners):
            self._delete(kind, item)

    def _is_there(self, owner: Object, item: Object) -> bool:
        """An owner that is going with all that it owns does not count."""
        for kind in KINDS:
            if (kind.api_version, kind.name) == (owner["apiVersion"], owner["kind"]):
                namespace = item["metadata"]["namespace"] if kind.namespaced else ""
                found = self._store.get(kind, namespace, owner["name"])
                return found is not None and found["metadata"]["uid"] == owner["uid"]
        # Of a kind that is not served nobody knows.
        return True

    def _clear(self, kind: Kind, owner: Object) -> None:
        """Delete what is owned; the owner goes when nothing is left that blocks it."""
        for each, dependent in self._dependents(owner):
            self._delete(each, dependent)
        blocking = [dependent for _, dependent in self._dependents(owner) if _blocks(dependent, owner)]
        if not blocking:
            self._let_go(kind, owner, FOREGROUND)

    def _empty(self, namespace: Object) -> None:
        name, left = namespace["metadata"]["name"], 0
        for kind in KINDS:
            for item in self._store.all(kind, name) if kind.namespaced else ():
                self._delete(kind, item)
                left += self._store.get(kind, *place(item)) is not None
        if not left:
            self._let_go(NAMESPACE, namespace, _NAMESPACE)

    def _delete(self, kind: Kind, item: Object) -> None:
        if "deletionTimestamp" not in item["metadata"]:
            self._registry.delete(kind, *place(item), {"propagationPolicy": "Background"})

    def _let_go(self, kind: Kind, item: Object, finalizer: str) -> None:
        self._store.amend(kind, item, lambda draft: take_off(draft, finalizer))

    def _dependents(self, owner: Object) -> Iterator[tuple[Kind, Object]]:
        uid, namespace = owner["metadata"]["uid"], owner["metadata"].get("namespace") or ""
        for kind in KINDS:
            for item in self._store.all(kind, namespace) if kind.namespaced else ():
                if any(each["uid"] == uid for each in parts(item, "metadata", "ownerReferences")):
                    yield kind, item


def _is_in_foreground(item: Object) -> bool:
    return FOREGROUND in parts(item, "metadata", "finalizers")


def _blocks(dependent: Object, owner: Object) -> bool:
    return any(
        each["uid"] == owner["metadata"]["uid"] and each.get("blockOwnerDeletion")
        for each in parts(dependent, "metadata", "ownerReferences")
    )


def _disown(draft: Object, owner: Object) -> None:
    about = draft["metadata"]
    about["ownerReferences"] = [
        each for each in about["ownerReferences"] if each["uid"] != owner["metadata"]["uid"]
    ]
