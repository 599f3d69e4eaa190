"""The endpoint that Kubernetes clients speak to, and the cluster behind it."""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pgflow_testing.endpoint import Endpoint
from pgflow_testing.kubernetes.api import Api, refuse
from pgflow_testing.kubernetes.collector import Collector
from pgflow_testing.kubernetes.images import Images
from pgflow_testing.kubernetes.jobs import JobController
from pgflow_testing.kubernetes.node import Node
from pgflow_testing.kubernetes.quotas import keep_quotas
from pgflow_testing.kubernetes.refusals import Refusal
from pgflow_testing.kubernetes.registry import Registry
from pgflow_testing.kubernetes.resources import NAMESPACE
from pgflow_testing.kubernetes.rights import ADMINISTRATOR
from pgflow_testing.kubernetes.store import Change, Store
from pgflow_testing.wire import Request, Response

__all__ = ["Fault", "KubernetesEndpoint"]

_NAMESPACES: Final = ("default", "kube-system")
_BEARER: Final = "Bearer "


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls one request."""

    refusal: Refusal | None = None
    delay: float = 0.0
    """Seconds that the answer comes late; what was asked for is done at once."""
    drop: bool = False
    """It takes effect, and the connection ends without an answer."""


class KubernetesEndpoint(Endpoint):
    """Serves a cluster of one node while it is entered.

    A watch that asks for bookmarks gets one whenever nothing has happened for `bookmark_every` seconds.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        images: Images | None = None,
        node_labels: Mapping[str, str] | None = None,
        version: str = "v1.32.0",
        bookmark_every: float = 60.0,
    ) -> None:
        super().__init__("Kubernetes endpoint", port)
        self._images = images or Images()
        self._node_labels = node_labels or {}
        self._version = version
        self._bookmark_every = bookmark_every
        self._users: dict[str, str] = {}
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._store = Store()
        self._api: Api | None = None

    def kubeconfig(self, path: Path, user: str = ADMINISTRATOR) -> Path:
        """Write the credentials of a user: the administrator, or one who may do what a Role says."""
        token = secrets.token_hex(16)
        self._users[token] = user
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "pgflow-testing",
            "clusters": [{"name": "pgflow-testing", "cluster": {"server": self.url}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "pgflow-testing", "context": {"cluster": "pgflow-testing", "user": user}}],
        }
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def befall(self, when: str, *faults: Fault) -> None:
        """Let these happen to the next requests of a sort, such as "POST jobs" or "GET pods"."""
        self._faults[when].extend(faults)

    def forget(self) -> None:
        """Compact the history: watches and pages that would go on from before are answered 410."""
        assert self._loop is not None

        async def forget() -> None:
            self._store.forget()

        asyncio.run_coroutine_threadsafe(forget(), self._loop).result()

    @asynccontextmanager
    async def _behind(self, address: str) -> AsyncGenerator[None]:
        registry = Registry(self._store)
        host, _, port = address.partition(":")
        extra = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        with tempfile.TemporaryDirectory(prefix="pgflow-pods-", ignore_cleanup_errors=True) as folder:
            node = Node(registry, Path(folder), self._images, self._node_labels, extra)
            jobs = JobController(registry)
            try:
                async with asyncio.TaskGroup() as tasks:
                    control = tasks.create_task(self._control(Collector(registry), jobs, node))
                    for name in _NAMESPACES:
                        registry.create(NAMESPACE, "", {"metadata": {"name": name}})
                    node.register()
                    self._api = Api(registry, node, self._version, self._bookmark_every)
                    yield
                    control.cancel()
            finally:
                jobs.close()
                await node.close()

    async def _control(self, collector: Collector, jobs: JobController, node: Node) -> None:
        """Show each change to the controllers, in order, a moment after it was made."""
        changes: asyncio.Queue[Change] = asyncio.Queue()
        self._store.listen(changes.put_nowait)
        while True:
            change = await changes.get()
            keep_quotas(self._store, change)
            jobs.see(change)
            node.see(change)
            collector.see(change)
            # Requests come between two of them.
            await asyncio.sleep(0)

    async def _respond(self, request: Request) -> Response | None:
        self.requests.append(request)
        fault = self._next_fault(request)
        response = refuse(fault.refusal) if fault.refusal else self._answer(request)
        await asyncio.sleep(fault.delay)
        return None if fault.drop else response

    def _answer(self, request: Request) -> Response:
        assert self._api is not None
        try:
            return self._api.respond(request, self._user(request))
        except Refusal as refusal:
            return refuse(refusal)

    def _next_fault(self, request: Request) -> Fault:
        parts = request.path.strip("/").split("/")
        for what in (parts[-1], parts[-2] if len(parts) > 1 else ""):
            waiting = self._faults.get(f"{request.method} {what}")
            if waiting:
                return waiting.popleft()
        return Fault()

    def _user(self, request: Request) -> str:
        """Tell who asks: without credentials the administrator does, as behind `kubectl proxy`."""
        given = request.headers.get("authorization")
        if given is None:
            return ADMINISTRATOR
        user = self._users.get(given.removeprefix(_BEARER))
        if user is None:
            raise Refusal(401, "Unauthorized", "Unauthorized")
        return user
