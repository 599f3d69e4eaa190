"""The clusters that tests run against: the double, a real control plane, a named one, and k3s in Docker."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgflow_testing.kubernetes import KubernetesEndpoint
from pgflow_testing.servers import docker_answers

from .control_plane import Missing, shared

VARIABLE = "PGFLOW_TEST_KUBECONFIG"
SHELL = "busybox:1"


@dataclass(frozen=True)
class Cluster:
    """How a cluster is reached."""

    kubeconfig: Path
    plain: Path | None = None
    """The credentials of somebody who may do nothing unless a Role says so."""
    shell: str = SHELL
    """An image with a shell."""


@contextlib.contextmanager
def double(folder: Path) -> Iterator[Cluster]:
    """Serve one of processes, for this process alone."""
    folder.mkdir()
    with KubernetesEndpoint(bookmark_every=1.0) as endpoint:
        plain = endpoint.kubeconfig(folder / "plain.kubeconfig", user="plain")
        yield Cluster(endpoint.kubeconfig(folder / "kubeconfig"), plain, "shell:1")


@contextlib.contextmanager
def real(folder: Path) -> Iterator[Cluster]:
    """Run kube-apiserver and kube-controller-manager, with pods as processes; raises Missing."""
    with shared(folder) as data:
        yield Cluster(data / "kubeconfig", data / "plain.kubeconfig", "shell:1")


@contextlib.contextmanager
def named(_: Path) -> Iterator[Cluster]:
    """Use the cluster that a variable names; raises Missing."""
    path = os.environ.get(VARIABLE)
    if path is None:
        raise Missing(f"{VARIABLE} names no kubeconfig")
    yield Cluster(Path(path))


@contextlib.contextmanager
def k3s(folder: Path) -> Iterator[Cluster]:
    """Run k3s in Docker; raises Missing."""
    if not docker_answers():
        raise Missing("Docker does not answer")
    container = _k3s()
    try:
        folder.mkdir()
        path = folder / "kubeconfig"
        path.write_text(container.config_yaml())
        yield Cluster(path)
    finally:
        container.stop()


def _k3s() -> Any:
    try:
        from testcontainers.community.k3s import K3SContainer

        return K3SContainer().start()
    except Exception as error:  # no image, no network, no rights for it: the other clusters are there
        raise Missing(f"k3s does not start in Docker: {error}") from error


CLUSTERS: Mapping[str, Callable[[Path], contextlib.AbstractContextManager[Cluster]]] = {
    "double": double,
    "real": real,
    "named": named,
    "k3s": k3s,
}
LOCAL = ("double", "real")
"""Those whose pods are processes of this machine: they import what is installed here."""

ONE = ("real",) if "KUBEBUILDER_ASSETS" in os.environ else ("double",)
"""The most real of them, for tests that take minutes."""
