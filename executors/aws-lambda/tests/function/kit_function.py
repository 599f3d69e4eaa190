"""The Lambda function that runs the handlers of the executor kit."""

from pgflow.runtime.aws_lambda import lambda_handler
from pgflow_testing.executor_suite import handlers

handler = lambda_handler(handlers)
