"""The official client, with credentials of its own: those of the pod it runs in, or of a kubeconfig."""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

from pgflow.errors import ConfigError

from pgflow_kubernetes.settings import KubernetesSettings

__all__ = ["CONNECTIONS", "connect"]

CONNECTIONS: Final = 32
"""Calls that are made at once."""


def connect(settings: KubernetesSettings) -> Any:
    """Return an ApiClient; raises ConfigError where there are no credentials.

    Typed Any: the client's types differ from version to version, and only what all of them have is used.
    """
    client: Any = importlib.import_module("kubernetes.client")
    config: Any = importlib.import_module("kubernetes.config")
    # Never the process's default: another executor instance may have another cluster.
    configuration = client.Configuration()
    try:
        if settings.kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(
                config_file=None if settings.kubeconfig is None else str(settings.kubeconfig.expanduser()),
                context=settings.context,
                client_configuration=configuration,
                persist_config=False,
            )
    except (config.ConfigException, OSError) as error:
        raise ConfigError(
            f"no credentials for a cluster: {error}; set `kubeconfig`, or run in a pod with a service account"
        ) from None
    # The core is the only one that tries again.
    configuration.retries = False
    configuration.connection_pool_maxsize = CONNECTIONS
    return client.ApiClient(configuration)
