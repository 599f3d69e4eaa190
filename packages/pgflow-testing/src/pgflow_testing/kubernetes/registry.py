"""The verbs that write, with what is checked on the way: defaults, validity, quota, versions."""

from __future__ import annotations

import copy
import random
import string
import uuid
from typing import Final

from pgflow_testing.kubernetes.defaults import check, check_update, complete
from pgflow_testing.kubernetes.objects import Object, part, parts
from pgflow_testing.kubernetes.quotas import check_quotas
from pgflow_testing.kubernetes.refusals import Refusal, invalid
from pgflow_testing.kubernetes.resources import EVENT, JOB, NAMESPACE, POD, Kind
from pgflow_testing.kubernetes.store import Store, give_grace, is_through, now

__all__ = ["FOREGROUND", "ORPHAN", "Registry"]

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"

_PROPAGATIONS: Final = {"Background", "Foreground", "Orphan"}
_SUFFIX: Final = string.digits + string.ascii_lowercase
_KEPT: Final = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
"""What the server alone writes into the metadata of an object."""


class Registry:
    """Writes objects into a store; each method raises Refusal."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """Return an object, not to be changed."""
        found = self.store.get(kind, namespace, name)
        if found is None:
            details = {"name": name, "kind": kind.plural, **({"group": kind.group} if kind.group else {})}
            raise Refusal(404, "NotFound", f'{kind.qualified} "{name}" not found', details)
        return found

    def create(self, kind: Kind, namespace: str, given: Object, *, dry_run: bool = False) -> Object:
        """Hold a new object; a dry run only checks it."""
        item = copy.deepcopy(given)
        item["apiVersion"], item["kind"] = kind.api_version, kind.name
        about = item.setdefault("metadata", {})
        _place(kind, about, namespace)
        for key in ("resourceVersion", "selfLink", "managedFields", *_KEPT):
            about.pop(key, None)
        if not about.get("name") and about.get("generateName"):
            about["name"] = about["generateName"] + "".join(random.choices(_SUFFIX, k=5))
        item.pop("status", None)
        _drop_empty(about)
        if kind is NAMESPACE:
            item["status"] = {"phase": "Active"}
            item["spec"] = {"finalizers": ["kubernetes"]}
        self._check_namespace(kind, namespace)
        complete(kind, item)
        check(kind, item)
        check_quotas(self.store, kind, item)
        if self.store.get(kind, namespace, about["name"]) is not None:
            told = f'{kind.qualified} "{about["name"]}" already exists'
            raise Refusal(409, "AlreadyExists", told, {"name": about["name"], "kind": kind.plural})
        about["uid"] = str(uuid.uuid4())
        if kind is JOB:
            _select_own_pods(item)
        return (
            {**item, "metadata": {**about, "creationTimestamp": now()}}
            if dry_run
            else self.store.add(kind, item)
        )

    def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        given: Object,
        sub: str = "",
        *,
        dry_run: bool = False,
    ) -> Object:
        """Hold another version; `sub` is "status" or "", which leaves the status as it was."""
        before = self.get(kind, namespace, name)
        item = copy.deepcopy(given)
        about, was = item.setdefault("metadata", {}), before["metadata"]
        self._check_version(kind, name, about, was)
        for key in ("name", "namespace", *_KEPT):
            if key in was:
                about[key] = copy.deepcopy(was[key])
            else:
                about.pop(key, None)
        _drop_empty(about)
        if sub == "status":
            item = {**copy.deepcopy(before), "status": part(item, "status"), "metadata": about}
        elif "status" in before:
            item["status"] = copy.deepcopy(before["status"])
        item["apiVersion"], item["kind"] = kind.api_version, kind.name
        complete(kind, item)
        check_update(kind, before, item)
        return item if dry_run else self.store.replace(kind, item)

    def delete(
        self, kind: Kind, namespace: str, name: str, options: Object | None = None, *, dry_run: bool = False
    ) -> Object:
        """Remove an object, or say that it is to go once its finalizers and its grace are through."""
        options = options or {}
        item = self.get(kind, namespace, name)
        _check_preconditions(kind, item, part(options, "preconditions"))
        added = _finalizer(kind, options)
        if dry_run:
            return item
        draft = copy.deepcopy(item)
        about = draft["metadata"]
        give_grace(about, _grace(kind, draft, options))
        if added is not None and added not in parts(about, "finalizers"):
            about["finalizers"] = [*parts(about, "finalizers"), added]
        if kind is NAMESPACE:
            draft["status"] = {"phase": "Terminating"}
            about["finalizers"] = ["kubernetes"]
        return self.store.remove(kind, item) if is_through(kind, draft) else self.store.replace(kind, draft)

    def tell(self, about: Object, kind: str, reason: str, message: str, source: str) -> None:
        """Write an Event about an object; one that was told before is counted."""
        there = about["metadata"]
        involved = {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": there["name"],
            "namespace": there["namespace"],
            "uid": there["uid"],
        }
        same = (
            each
            for each in self.store.all(EVENT, there["namespace"])
            if (each["involvedObject"]["uid"], each["reason"], each["message"])
            == (there["uid"], reason, message)
        )
        found = next(same, None)
        if found is not None:
            self.store.amend(
                EVENT, found, lambda draft: draft.update(count=draft["count"] + 1, lastTimestamp=now())
            )
            return
        event = {
            "metadata": {"generateName": f"{there['name'][:200]}."},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": source},
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
        }
        try:
            self.create(EVENT, there["namespace"], event)
        except Refusal:
            return  # the namespace is going

    def _check_namespace(self, kind: Kind, namespace: str) -> None:
        if not kind.namespaced:
            return
        found = self.get(NAMESPACE, "", namespace)
        if "deletionTimestamp" in found["metadata"]:
            told = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise Refusal(403, "Forbidden", f"{kind.qualified} is forbidden: {told}")

    def _check_version(self, kind: Kind, name: str, about: Object, was: Object) -> None:
        expected = about.get("resourceVersion")
        if about.get("uid") not in {None, was["uid"]}:
            mismatch = (
                f"Precondition failed: UID in precondition: {about['uid']}, UID in object meta: {was['uid']}"
            )
            raise _conflict(kind, name, mismatch)
        if expected not in {None, was["resourceVersion"]}:
            modified = (
                "the object has been modified; please apply your changes to the latest version and try again"
            )
            raise _conflict(kind, name, modified)


def _drop_empty(about: Object) -> None:
    """Make no difference between an empty map and none."""
    for key in ("labels", "annotations", "finalizers", "ownerReferences"):
        if not about.get(key):
            about.pop(key, None)


def _place(kind: Kind, about: Object, namespace: str) -> None:
    if not kind.namespaced:
        about.pop("namespace", None)
        return
    if about.get("namespace") not in {None, "", namespace}:
        told = "the namespace of the provided object does not match the namespace sent on the request"
        raise Refusal(400, "BadRequest", told)
    about["namespace"] = namespace


def _check_preconditions(kind: Kind, item: Object, wanted: Object) -> None:
    about = item["metadata"]
    for key, told, since in (
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ):
        if wanted.get(key) not in {None, about[key]}:
            differ = f"the {told} in the precondition ({wanted[key]}) does not match the {told} in record"
            raise _conflict(
                kind, about["name"], f"{differ} ({about[key]}). The object might have been {since}"
            )


def _conflict(kind: Kind, name: str, why: str) -> Refusal:
    told = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
    return Refusal(409, "Conflict", told, {"name": name, "kind": kind.plural})


def _finalizer(kind: Kind, options: Object) -> str | None:
    """Return what is to be done before the object goes."""
    wanted = options.get("propagationPolicy")
    if wanted is None and options.get("orphanDependents") is not None:
        wanted = "Orphan" if options["orphanDependents"] else "Background"
    if wanted is None:
        # As ever, Jobs leave their pods behind unless told otherwise.
        wanted = "Orphan" if kind is JOB else "Background"
    if wanted not in _PROPAGATIONS:
        raise invalid("DeleteOptions", "", "", [("propagationPolicy", f'Unsupported value: "{wanted}"')])
    return {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(wanted)


def _grace(kind: Kind, item: Object, options: Object) -> int:
    if kind is not POD:
        return 0
    asked = options.get("gracePeriodSeconds")
    grace = int(item["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked)
    before = item["metadata"].get("deletionGracePeriodSeconds")
    # A pod that no node has, or that has ended, holds nothing that would need time.
    if not item["spec"].get("nodeName") or item["status"].get("phase") in {"Succeeded", "Failed"}:
        return 0
    return grace if before is None else min(grace, before)


def _select_own_pods(job: Object) -> None:
    spec, about = job["spec"], job["metadata"]
    if spec.get("manualSelector"):
        return
    own = {"batch.kubernetes.io/controller-uid": about["uid"]}
    marks = {
        **own,
        "batch.kubernetes.io/job-name": about["name"],
        "controller-uid": about["uid"],
        "job-name": about["name"],
    }
    spec["selector"] = {"matchLabels": own}
    template = spec["template"]["metadata"]
    template["labels"] = {**part(template, "labels"), **marks}
    if not about.get("labels"):
        about["labels"] = dict(template["labels"])
