"""The conformance kit over Jobs of a real API server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pgflow.executor import Attempt
from pgflow.plugins import ExecutorInstance
from pgflow_kubernetes.executor import KubernetesExecutor
from pgflow_testing.executor_suite import ExecutorConformance, FaultBackend, configured

from .conftest import Namespace
from .proxy import Proxy, status

pytestmark = pytest.mark.slow


class ClusterBackend(FaultBackend):
    """Faults between executor and API server, and what an administrator may do."""

    def __init__(self, proxy: Proxy, namespace: Namespace) -> None:
        self.proxy = proxy
        self.namespace = namespace
        self.late = threading.Event()

    def drop_response(self) -> None:
        self.proxy.spoil = "drop"

    def delay(self, seconds: float) -> None:
        self.proxy.spoil = self.late

    def throttle(self, retry_after: float) -> None:
        self.proxy.spoil = status(429, "TooManyRequests", "busy", retry_after=f"{retry_after:g}")

    def refuse(self) -> None:
        self.proxy.spoil = status(422, "Invalid", "Job.batch is invalid")

    def deny(self) -> None:
        self.proxy.spoil = status(403, "Forbidden", "jobs.batch is forbidden")

    def duplicate_delivery(self) -> None:
        self.proxy.spoil = "twice"

    def delete_remote(self, attempt: Attempt) -> None:
        self.namespace.batch.delete_namespaced_job(
            attempt.external_id, self.namespace.name, propagation_policy="Background"
        )

    def kill_task(self, attempt: Attempt) -> None:
        self._signal(attempt, signal.SIGKILL)

    def freeze(self, attempt: Attempt) -> None:
        self._signal(attempt, signal.SIGSTOP)

    def requests(self, attempt: Attempt) -> int:
        made = [each for each in self.proxy.asked if each.method == "POST" and each.path.endswith("/jobs")]
        return sum(each.body["metadata"].get("name") == attempt.external_id for each in made)

    def executions(self, attempt: Attempt) -> int:
        return len(self._pods(attempt))

    def reads(self) -> int:
        return sum(each.method == "GET" and "watch" not in each.query for each in self.proxy.asked)

    def exposed(self) -> str:
        urls = [f"{each.path}?{each.query}" for each in self.proxy.asked]
        return json.dumps([urls, *(json.loads(self._raw(kind)) for kind in ("job", "pod"))])

    def _raw(self, kind: str) -> bytes:
        api = self.namespace.batch if kind == "job" else self.namespace.core
        listing = getattr(api, f"list_namespaced_{kind}")
        return listing(self.namespace.name, _preload_content=False).data

    def _pods(self, attempt: Attempt) -> list[str]:
        chosen = f"pgflow.dev/attempt={attempt.external_id}"
        pods = self.namespace.core.list_namespaced_pod(self.namespace.name, label_selector=chosen).items
        return [pod.metadata.uid for pod in pods]

    def _signal(self, attempt: Attempt, number: int) -> None:
        """Signal the processes of its pods, which know their uid."""
        uids = [f"PGFLOW_INSTANCE={uid}".encode() for uid in self._pods(attempt)]
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if set(uids) & set(environment.read_bytes().split(b"\0")):
                    os.kill(int(environment.parent.name), number)


class TestKubernetes(ExecutorConformance):
    runs = 4

    @pytest.fixture
    def proxy(self, namespace) -> Iterator[Proxy]:
        proxy = Proxy(namespace.kubeconfig)
        yield proxy
        proxy.stop()

    @pytest.fixture
    def executor(self, namespace, proxy, tmp_path) -> ExecutorInstance:
        settings = namespace.settings(
            kubeconfig=str(proxy.kubeconfig(tmp_path)), response_timeout=5.0, max_jobs=2
        )
        return configured(KubernetesExecutor, **settings)

    @pytest.fixture
    def backend(self, namespace, proxy) -> Iterator[ClusterBackend]:
        backend = ClusterBackend(proxy, namespace)
        yield backend
        backend.late.set()
