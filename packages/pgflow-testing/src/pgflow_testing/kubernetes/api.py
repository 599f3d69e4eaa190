"""The paths of the API: what each asks for, whether it may be had, and how it is answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pgflow_testing.kubernetes.job_status import set_condition
from pgflow_testing.kubernetes.node import Node
from pgflow_testing.kubernetes.objects import Object, is_object, part, place
from pgflow_testing.kubernetes.patching import patched
from pgflow_testing.kubernetes.refusals import Refusal, unknown_format
from pgflow_testing.kubernetes.registry import Registry
from pgflow_testing.kubernetes.resources import POD, REVIEW, Kind, discover, kind_at
from pgflow_testing.kubernetes.rights import Access, authorize, is_allowed
from pgflow_testing.kubernetes.selectors import selecting
from pgflow_testing.kubernetes.watching import watch
from pgflow_testing.wire import Request, Response

__all__ = ["Api", "Asked", "answer", "refuse"]

_BODIES: Final = ("application/json", "application/json-patch+json", "application/merge-patch+json")
_JSON: Final = {"Content-Type": "application/json"}
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is about."""

    user: str
    verb: str
    kind: Kind
    namespace: str
    name: str
    part: str
    query: Mapping[str, str]
    body: Any
    content_type: str

    @property
    def access(self) -> Access:
        """What the right to it is called."""
        resource = f"{self.kind.plural}/{self.part}" if self.part else self.kind.plural
        return Access(self.user, self.verb, self.kind.group, resource, self.namespace, self.name)

    @property
    def is_dry(self) -> bool:
        """Whether it is only to be checked."""
        return self.query.get("dryRun") == "All"


class Api:
    """Answers requests of users who are known."""

    def __init__(self, registry: Registry, node: Node, version: str, bookmark_every: float) -> None:
        self._registry = registry
        self._store = registry.store
        self._node = node
        self._version = version
        self._bookmark_every = bookmark_every
        self._verbs: Mapping[str, Callable[[Asked], Response]] = {
            "create": self._create,
            "delete": self._delete,
            "deletecollection": self._delete_all,
            "get": self._get,
            "list": self._list,
            "patch": self._patch,
            "update": self._update,
            "watch": self._watch,
        }

    def respond(self, request: Request, user: str) -> Response:
        """Answer a request; raises Refusal."""
        if request.path in {"/healthz", "/livez", "/readyz"}:
            return Response(200, b"ok", {"Content-Type": "text/plain"})
        if request.method == "GET" and (found := discover(request.path, self._version)):
            return answer(200, found)
        asked = read(request, user)
        authorize(self._store, asked.access, asked.kind)
        return self._verbs[asked.verb](asked)

    def _get(self, asked: Asked) -> Response:
        item = self._registry.get(asked.kind, asked.namespace, asked.name)
        if asked.part == "log":
            log = self._node.log(item, asked.query)
            headers = {"Content-Type": "text/plain"}
            return Response(200, log, headers) if isinstance(log, bytes) else Response(200, b"", headers, log)
        return answer(200, item)

    def _list(self, asked: Asked) -> Response:
        kind, query = asked.kind, asked.query
        is_wanted = selecting(query.get("labelSelector", ""), query.get("fieldSelector", ""))
        limit = int(query.get("limit") or 0)
        if query.get("continue"):
            page = self._store.next_page(query["continue"], limit)
        else:
            items = [item for item in self._store.all(kind, asked.namespace) if is_wanted(item)]
            page = self._store.page(items, limit)
        about: Object = {"resourceVersion": str(page.version)}
        if page.token is not None:
            about["continue"] = page.token
            if not (query.get("labelSelector") or query.get("fieldSelector")):
                about["remainingItemCount"] = page.remaining
        # Those of a list do not say what they are: the list does.
        items = [{key: item[key] for key in item if key not in {"kind", "apiVersion"}} for item in page.items]
        listed = {
            "kind": f"{kind.name}List",
            "apiVersion": kind.api_version,
            "metadata": about,
            "items": items,
        }
        return answer(200, listed)

    def _watch(self, asked: Asked) -> Response:
        query = dict(asked.query)
        if asked.name:
            query["fieldSelector"] = f"metadata.name={asked.name}"
        events = watch(self._store, asked.kind, asked.namespace, query, self._bookmark_every)
        return Response(200, b"", _JSON, events)

    def _create(self, asked: Asked) -> Response:
        if asked.kind is REVIEW:
            return answer(201, self._review(asked))
        if asked.part == "eviction":
            return self._evict(asked)
        kind, namespace = asked.kind, asked.namespace
        return answer(201, self._registry.create(kind, namespace, _object(asked), dry_run=asked.is_dry))

    def _review(self, asked: Asked) -> Object:
        wanted = _object(asked)["spec"]["resourceAttributes"]
        resource = wanted.get("resource", "")
        if wanted.get("subresource"):
            resource += f"/{wanted['subresource']}"
        access = Access(
            asked.user, wanted.get("verb", ""), wanted.get("group", ""), resource, wanted.get("namespace", "")
        )
        return {**_object(asked), "status": {"allowed": is_allowed(self._store, access)}}

    def _evict(self, asked: Asked) -> Response:
        pod = self._registry.get(POD, asked.namespace, asked.name)
        told = "Eviction API: evicting"
        self._store.amend(
            POD,
            pod,
            lambda draft: set_condition(draft["status"], "DisruptionTarget", "EvictionByEvictionAPI", told),
        )
        options = part(asked.body if is_object(asked.body) else {}, "deleteOptions")
        self._registry.delete(POD, asked.namespace, asked.name, options)
        return answer(201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    def _update(self, asked: Asked) -> Response:
        where = (asked.kind, asked.namespace, asked.name)
        return answer(200, self._registry.update(*where, _object(asked), asked.part, dry_run=asked.is_dry))

    def _patch(self, asked: Asked) -> Response:
        where = (asked.kind, asked.namespace, asked.name)
        after = patched(self._registry.get(*where), asked.body, asked.content_type)
        return answer(200, self._registry.update(*where, after, asked.part, dry_run=asked.is_dry))

    def _delete(self, asked: Asked) -> Response:
        where = (asked.kind, asked.namespace, asked.name)
        deleted = self._registry.delete(*where, _options(asked), dry_run=asked.is_dry)
        if asked.kind is POD or self._store.get(*where) is not None:
            return answer(200, deleted)
        details = {"name": asked.name, "kind": asked.kind.plural, "uid": deleted["metadata"]["uid"]}
        return answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success", "details": details})

    def _delete_all(self, asked: Asked) -> Response:
        is_wanted = selecting(asked.query.get("labelSelector", ""), asked.query.get("fieldSelector", ""))
        for item in self._store.all(asked.kind, asked.namespace):
            if is_wanted(item):
                self._registry.delete(asked.kind, *place(item), _options(asked), dry_run=asked.is_dry)
        return answer(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})


def read(request: Request, user: str) -> Asked:
    """Say what a request is about; raises Refusal."""
    parts = request.path.strip("/").split("/")
    api_version, rest = ("v1", parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    plural, name, part = (*rest, "", "", "")[:3]
    kind = kind_at(api_version, plural)
    is_known = kind is not None and len(rest) <= 3 and (not part or part in kind.subresources)
    if kind is None or not is_known:
        raise Refusal(404, "NotFound", "the server could not find the requested resource")
    query = request.query
    verb = _verb(request.method, query, name)
    needs_name = verb in {"update", "patch", "delete"} or part
    if verb not in kind.verbs or (verb == "create" and name and not part) or (needs_name and not name):
        raise Refusal(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
        )
    body, content_type = _body(request)
    return Asked(user, verb, kind, namespace, name, part, query, body, content_type)


def _verb(method: str, query: Mapping[str, str], name: str) -> str:
    if method == "GET":
        watches = query.get("watch") in {"1", "true"}
        return "watch" if watches else "get" if name else "list"
    if method == "DELETE" and not name:
        return "deletecollection"
    return _VERBS.get(method, method.lower())


def _body(request: Request) -> tuple[Any, str]:
    # Some clients send JSON and do not say so.
    content_type = request.headers.get("content-type") or "application/json"
    if not request.body:
        return None, content_type
    if "json" not in content_type:
        raise unknown_format(_BODIES)
    try:
        return json.loads(request.body), content_type
    except ValueError as error:
        raise Refusal(400, "BadRequest", f"the object provided is unrecognized: {error}") from None


def _object(asked: Asked) -> Object:
    item, kind = asked.body, asked.kind
    if not is_object(item):
        raise Refusal(400, "BadRequest", "the object provided is unrecognized (must be of type Object)")
    told = (item.get("apiVersion", kind.api_version), item.get("kind", kind.name))
    if told != (kind.api_version, kind.name):
        expected = f"{kind.api_version}, {kind.name}"
        message = f"the API version in the data ({', '.join(told)}) does not match the expected ({expected})"
        raise Refusal(400, "BadRequest", message)
    return item


def _options(asked: Asked) -> Object:
    options: Object = dict(asked.body) if is_object(asked.body) else {}
    for key, convert in (("propagationPolicy", str), ("gracePeriodSeconds", int)):
        if key in asked.query:
            options.setdefault(key, convert(asked.query[key]))
    return options


def answer(status: int, item: Object) -> Response:
    """Answer an object."""
    return Response(status, json.dumps(item).encode(), _JSON)


def refuse(refusal: Refusal) -> Response:
    """Answer why not."""
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return Response(refusal.status, json.dumps(refusal.body()).encode(), {**_JSON, **headers})
