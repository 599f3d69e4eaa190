"""The kinds of objects that are served, and how clients discover them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pgflow_testing.kubernetes.objects import Object

__all__ = [
    "CONFIG_MAP",
    "EVENT",
    "JOB",
    "KINDS",
    "NAMESPACE",
    "NODE",
    "POD",
    "QUOTA",
    "REVIEW",
    "ROLE",
    "ROLE_BINDING",
    "SECRET",
    "SERVICE_ACCOUNT",
    "Kind",
    "discover",
    "kind_at",
]

_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `Kind("batch", "v1", "jobs", "Job")`."""

    group: str
    version: str
    plural: str
    name: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _VERBS

    @property
    def api_version(self) -> str:
        """As manifests write it: "batch/v1", or "v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As messages write it: "jobs.batch", or "pods"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_RBAC: Final = "rbac.authorization.k8s.io"

NAMESPACE: Final = Kind("", "v1", "namespaces", "Namespace", ("ns",), namespaced=False)
NODE: Final = Kind("", "v1", "nodes", "Node", ("no",), namespaced=False, subresources=("status",))
POD: Final = Kind("", "v1", "pods", "Pod", ("po",), subresources=("status", "log", "eviction"))
SECRET: Final = Kind("", "v1", "secrets", "Secret")
CONFIG_MAP: Final = Kind("", "v1", "configmaps", "ConfigMap", ("cm",))
EVENT: Final = Kind("", "v1", "events", "Event", ("ev",))
QUOTA: Final = Kind("", "v1", "resourcequotas", "ResourceQuota", ("quota",), subresources=("status",))
SERVICE_ACCOUNT: Final = Kind("", "v1", "serviceaccounts", "ServiceAccount", ("sa",))
JOB: Final = Kind("batch", "v1", "jobs", "Job", subresources=("status",))
ROLE: Final = Kind(_RBAC, "v1", "roles", "Role")
ROLE_BINDING: Final = Kind(_RBAC, "v1", "rolebindings", "RoleBinding")
REVIEW: Final = Kind(
    "authorization.k8s.io",
    "v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    namespaced=False,
    verbs=("create",),
)

KINDS: Final = (
    *(NAMESPACE, NODE, POD, SECRET, CONFIG_MAP, EVENT, QUOTA, SERVICE_ACCOUNT, JOB),
    *(ROLE, ROLE_BINDING, REVIEW),
)
_BY_PLACE: Final = {(kind.api_version, kind.plural): kind for kind in KINDS}


def kind_at(api_version: str, plural: str) -> Kind | None:
    """Return the kind that is served there."""
    return _BY_PLACE.get((api_version, plural))


def discover(path: str, version: str) -> Object | None:
    """Answer what a client asks before it knows any kind; None for another path."""
    groups = {kind.group: kind.version for kind in KINDS if kind.group}
    found: Object | None = None
    match path.strip("/").split("/"):
        case ["version"]:
            found = _version(version)
        case ["api"]:
            found = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            listed = [_group(group, version) for group, version in groups.items()]
            found = {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        case ["apis", group] if group in groups:
            found = {"kind": "APIGroup", "apiVersion": "v1", **_group(group, groups[group])}
        case ["api", "v1"]:
            found = _resources("v1")
        case ["apis", group, served] if groups.get(group) == served:
            found = _resources(f"{group}/{served}")
        case _:
            pass
    return found


def _version(version: str) -> Object:
    major, minor = version.removeprefix("v").split(".")[:2]
    unknown = dict.fromkeys(("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion"), "")
    return {**unknown, "major": major, "minor": minor, "gitVersion": version, "platform": "processes"}


def _group(group: str, version: str) -> Object:
    served = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [served], "preferredVersion": served}


def _resources(api_version: str) -> Object:
    here = [kind for kind in KINDS if kind.api_version == api_version]
    listed = [_resource(kind, kind.plural, kind.verbs) for kind in here] + [
        _resource(kind, f"{kind.plural}/{part}", _subresource_verbs(part))
        for kind in here
        for part in kind.subresources
    ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": listed,
    }


def _subresource_verbs(part: str) -> Sequence[str]:
    return {"log": ("get",), "eviction": ("create",)}.get(part, ("get", "patch", "update"))


def _resource(kind: Kind, name: str, verbs: Sequence[str]) -> Object:
    about = {"name": name, "singularName": kind.name.lower(), "namespaced": kind.namespaced}
    return {**about, "kind": kind.name, "verbs": list(verbs), "shortNames": list(kind.short)}
