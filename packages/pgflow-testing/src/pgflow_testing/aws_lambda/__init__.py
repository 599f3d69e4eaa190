"""AWS Lambda on this machine: an endpoint for boto3 that runs functions under AWS's own runtime client.

    with LambdaEndpoint([Function("work", handler="app.handler", folder=Path("src"))]) as endpoint:
        boto3.client("lambda", endpoint_url=endpoint.url, region_name="eu-west-1", ...)

Linux only, as the runtime client is.  `pip install 'pgflow-testing[lambda]'`.
"""

from __future__ import annotations

from pgflow_testing.aws_lambda.endpoint import LambdaEndpoint
from pgflow_testing.aws_lambda.faults import Fault, Odds, Refusal
from pgflow_testing.aws_lambda.function import Function
from pgflow_testing.aws_lambda.service import Delivery

__all__ = ["Delivery", "Fault", "Function", "LambdaEndpoint", "Odds", "Refusal"]
