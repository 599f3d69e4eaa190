"""The Supabase executor, over functions under Deno, against the checks that every executor must pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pgflow_supabase.executor import SupabaseExecutor
from pgflow_testing.executor_suite import ExecutorConformance, configured

from .conftest import HERE, KEY, SECRET, Gateway
from .faults import FaultyGateway

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """Serve the function `work`, which may write where the checks look for its marks."""
    variables = tmp_path_factory.mktemp("edge") / "env"
    variables.write_text(f"PGFLOW_SIGNING_SECRET={SECRET}\nTMPDIR={tmp_path_factory.getbasetemp()}\n")
    gateway = Gateway(HERE / "functions", "--key", KEY, "--env-file", str(variables))
    yield gateway
    assert gateway.stop() == 0, gateway.lines


class TestSupabase(ExecutorConformance):
    step_options = {"function": "work"}
    runs = 100

    @pytest.fixture
    def backend(self, gateway, marks):
        with FaultyGateway(gateway.url, marks) as backend:
            yield backend

    @pytest.fixture
    def executor(self, backend):
        settings = {"url": backend.url, "key": KEY, "signing_secret": SECRET, "response_timeout": 5}
        # One process serves all: more at once would wait for each other past the storm's launch deadline.
        return replace(configured(SupabaseExecutor, **settings), max_in_flight=10)
