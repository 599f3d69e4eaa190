"""The handlers of the executor kit as a Lambda function."""

from __future__ import annotations

from pgflow.runtime.aws_lambda import lambda_handler
from pgflow_testing.executor_suite import handlers

handler = lambda_handler(handlers)
