"""The kit against the reference executor, which keeps the whole contract."""

import uuid

import pytest
from pgflow_testing.executor_suite import ExecutorConformance, configured
from pgflow_testing.executor_suite.reference import Cluster, ClusterExecutor

pytestmark = pytest.mark.slow


class TestReference(ExecutorConformance):
    @pytest.fixture
    def backend(self):
        return Cluster(uuid.uuid4().hex)

    @pytest.fixture
    def executor(self, backend):
        return configured(ClusterExecutor, cluster=backend.name, request_timeout=4.0)
