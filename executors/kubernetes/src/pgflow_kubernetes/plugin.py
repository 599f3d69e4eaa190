"""The plugin: registers the Kubernetes executor with PGFlow."""

from __future__ import annotations

from collections.abc import Sequence

from pgflow.executor import Executor
from pgflow.hookspecs import hookimpl

from pgflow_kubernetes.executor import KubernetesExecutor


@hookimpl
def pgflow_register_executors() -> Sequence[type[Executor]]:
    """Return the Kubernetes executor."""
    return [KubernetesExecutor]
