"""Runs PGFlow steps in AWS Lambda functions."""

from pgflow_lambda.target import Lambda

__all__ = ["Lambda"]
