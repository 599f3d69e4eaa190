"""A Kubernetes cluster on this machine: an API server for any client, whose pods are local processes.

    with KubernetesEndpoint() as cluster:
        kubernetes.config.load_kube_config(str(cluster.kubeconfig(folder / "kubeconfig")))

It keeps namespaces, pods, secrets, config maps, events, quotas, Jobs and Roles; it runs Jobs, deletes what
lost its owner, and starts the command of a container as it stands, on this machine: no image is pulled, no
volume mounted, no probe made, no limit of memory or CPU enforced, and service accounts have no tokens.
It speaks JSON over HTTP: no protobuf (`kubectl create job`), no server-side apply, and `kubectl apply` needs
`--validate=false`.  Who gives no credentials, as `kubectl` over HTTP, is the administrator.

`pip install 'pgflow-testing[kubernetes]'`.
"""

from __future__ import annotations

from pgflow_testing.kubernetes.endpoint import Fault, KubernetesEndpoint
from pgflow_testing.kubernetes.images import Images
from pgflow_testing.kubernetes.refusals import Refusal

__all__ = ["Fault", "Images", "KubernetesEndpoint", "Refusal"]
