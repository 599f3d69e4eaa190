"""The plugin: registers the Lambda executors with PGFlow."""

from __future__ import annotations

from collections.abc import Sequence

from pgflow.executor import Executor
from pgflow.hookspecs import hookimpl

from pgflow_lambda.executor import DurableLambdaExecutor, LambdaExecutor


@hookimpl
def pgflow_register_executors() -> Sequence[type[Executor]]:
    """Return the Lambda executors."""
    return [LambdaExecutor, DurableLambdaExecutor]
