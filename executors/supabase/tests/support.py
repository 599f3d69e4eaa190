"""What the tests of the executor share."""

from __future__ import annotations

from pgflow.envelope import ReportTarget
from pgflow_testing.answering import Asked, response
from pgflow_testing.executor_suite import make_attempt

SECRET = "a signing secret of the tests"
KEY = "sb_secret_canary"
TOKEN = make_attempt(None).attempt_token
REPORT_TO = ReportTarget("http", "https://flows.example.com")


def accept(asked: Asked) -> bytes:
    return response(202, {"accepted": asked.headers["x-pgflow-attempt"], "instance": "i"})
