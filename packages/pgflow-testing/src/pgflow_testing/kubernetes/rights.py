"""Who may do what: the administrator everything, others what Roles of a namespace say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pgflow_testing.kubernetes.objects import Object, parts
from pgflow_testing.kubernetes.refusals import Refusal
from pgflow_testing.kubernetes.resources import REVIEW, ROLE, ROLE_BINDING, Kind
from pgflow_testing.kubernetes.store import Store

__all__ = ["ADMINISTRATOR", "Access", "authorize", "is_allowed"]

ADMINISTRATOR: Final = "admin"


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody wants to do: `Access("plain", "get", "", "pods/log", "default")`."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""


def authorize(store: Store, access: Access, kind: Kind) -> None:
    """Refuse what somebody must not do; raises Refusal."""
    if kind is REVIEW or is_allowed(store, access):
        return
    resource = access.resource
    group = f'API group "{access.group}"'
    place = f' in the namespace "{access.namespace}"' if access.namespace else " at the cluster scope"
    named = f' "{access.name}"' if access.name else ""
    qualified = f"{resource}.{access.group}" if access.group else resource
    wants = f'User "{access.user}" cannot {access.verb} resource "{resource}" in {group}{place}'
    raise Refusal(403, "Forbidden", f"{qualified}{named} is forbidden: {wants}")


def is_allowed(store: Store, access: Access) -> bool:
    """Say whether a Role gives the right."""
    if access.user == ADMINISTRATOR:
        return True
    return any(
        _covers(rule, access)
        for binding in store.all(ROLE_BINDING, access.namespace)
        if access.namespace and any(_is_user(subject, access.user) for subject in parts(binding, "subjects"))
        for rule in _rules(store, binding)
    )


def _is_user(subject: Object, user: str) -> bool:
    return (subject.get("kind"), subject.get("name")) == ("User", user)


def _rules(store: Store, binding: Object) -> list[Object]:
    role = store.get(ROLE, binding["metadata"]["namespace"], binding["roleRef"]["name"])
    return parts(role, "rules") if role else []


def _covers(rule: Object, access: Access) -> bool:
    names: list[str] = parts(rule, "resourceNames")
    return (
        bool({access.group, "*"} & set(parts(rule, "apiGroups")))
        and bool({access.resource, "*"} & set(parts(rule, "resources")))
        and bool({access.verb, "*"} & set(parts(rule, "verbs")))
        and (not names or access.name in names)
    )
