"""The local executor against the checks that every executor must pass."""

import os
import signal

import pytest
from pgflow_local.executor import LocalExecutor
from pgflow_testing.executor_suite import ExecutorConformance, FaultBackend, configured

pytestmark = pytest.mark.slow


class Processes(FaultBackend):
    """The worker processes, by the marks that the handler leaves."""

    def __init__(self, marks):
        self.marks = marks

    def kill_task(self, attempt):
        os.kill(self.marks.started(attempt)[-1], signal.SIGKILL)

    def freeze(self, attempt):
        os.kill(self.marks.started(attempt)[-1], signal.SIGSTOP)


class TestLocal(ExecutorConformance):
    @pytest.fixture
    def backend(self, marks):
        return Processes(marks)

    @pytest.fixture
    def executor(self):
        return configured(
            LocalExecutor, processes=1, grace=0.2, handlers=["pgflow_testing.executor_suite.handlers"]
        )
