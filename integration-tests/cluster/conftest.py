"""Clusters, a namespace for each test, and dispatchers that launch Jobs."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException
from pgflow.api.app import completion_api
from pgflow.api.settings import ApiSettings
from pgflow.dispatcher import Dispatcher
from pgflow.envelope import ReportTarget
from pgflow.plugins import ExecutorInstance, Plugins, configure
from pgflow_kubernetes.executor import KubernetesExecutor

from ..api.conftest import Server
from ..dispatching import running
from .clusters import CLUSTERS, LOCAL, Cluster
from .control_plane import Missing

HERE = Path(__file__).parent
PROJECT = HERE / "project"

sys.path.insert(0, str(PROJECT))


@dataclass
class Namespace:
    """A namespace of its own for a test, and an administrator's view of it."""

    name: str
    kubeconfig: Path
    plain: Path | None
    """The credentials of somebody who may do nothing unless a Role says so."""
    shell: str
    """An image with a shell."""

    def __post_init__(self) -> None:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(self.kubeconfig), client_configuration=configuration)
        self.client = kubernetes.client.ApiClient(configuration)
        self.batch = kubernetes.client.BatchV1Api(self.client)
        self.core = kubernetes.client.CoreV1Api(self.client)
        self.rbac = kubernetes.client.RbacAuthorizationV1Api(self.client)

    @property
    def is_new(self) -> bool:
        """Whether it knows `suspend` and `podFailurePolicy` of Jobs."""
        version = kubernetes.client.VersionApi(self.client).get_code()
        return (int(version.major), int(version.minor.rstrip("+"))) >= (1, 26)

    def jobs(self) -> list[Any]:
        return self.batch.list_namespaced_job(self.name).items

    def pods(self) -> list[Any]:
        return self.core.list_namespaced_pod(self.name).items

    def secrets(self) -> list[Any]:
        """Those of attempts: the controllers make others."""
        selector = "app.kubernetes.io/managed-by=pgflow"
        return self.core.list_namespaced_secret(self.name, label_selector=selector).items

    def settings(self, **changes: Any) -> dict[str, Any]:
        variables = [{"name": "PYTHONPATH", "value": os.pathsep.join([str(PROJECT), *sys.path])}]
        container = {"name": "task", "env": variables}
        usual = {
            "namespace": self.name,
            "kubeconfig": str(self.kubeconfig),
            "image": "flows:1",
            "handlers": ["cluster_flows:*", "pgflow_testing.*:*"],
            "template": {"spec": {"template": {"spec": {"containers": [container]}}}},
        }
        return {**usual, **changes}

    def instance(self, report_to: str = "http://127.0.0.1:9/", **changes: Any) -> ExecutorInstance:
        """Configure the executor as an operator does."""
        plugins = Plugins(executors={"kubernetes": KubernetesExecutor})
        made = configure(plugins, "kubernetes", "kubernetes", self.settings(**changes))
        return replace(made, report_to=ReportTarget("http", report_to))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have each test meet the clusters that its mark names, else all those of this machine."""
    if "control_plane" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("clusters")
        names = LOCAL if mark is None else mark.args
        metafunc.parametrize("control_plane", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def control_plane(request, tmp_path_factory) -> Iterator[Cluster]:
    """A cluster of this session; the real control plane is shared with other processes of it."""
    base = tmp_path_factory.getbasetemp()
    if request.param == "real" and os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(CLUSTERS[request.param](base / f"kubernetes-{request.param}"))
        except Missing as missing:
            pytest.skip(f"no Kubernetes: {missing}")
        yield cluster


@pytest.fixture
def namespace(control_plane) -> Iterator[Namespace]:
    """An empty namespace."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    made = Namespace(name, control_plane.kubeconfig, control_plane.plain, control_plane.shell)
    made.core.create_namespace({"metadata": {"name": name}})
    yield made
    with contextlib.suppress(ApiException):
        made.core.delete_namespace(name)
    made.client.close()


@pytest.fixture
def api(pgflow_database) -> Iterator[str]:
    """The completion API of the test's database."""
    with Server(completion_api(pgflow_database, ApiSettings())) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def dispatching(pgflow_database, namespace, api):
    """Launch from this process: `async with dispatching(pull_grace=0) as dispatcher`."""

    def serve(observe_every: float = 0.5, **settings: Any) -> AbstractAsyncContextManager[Dispatcher]:
        instance = replace(namespace.instance(api, **settings), observe_every=observe_every)
        return running(Dispatcher(pgflow_database, [instance], grace=5.0))

    return serve
