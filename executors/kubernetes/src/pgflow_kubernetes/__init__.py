"""Runs PGFlow steps as Kubernetes Jobs."""

from pgflow_kubernetes.target import Job

__all__ = ["Job"]
