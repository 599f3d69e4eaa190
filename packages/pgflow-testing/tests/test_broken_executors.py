"""The kit against three executors that break their contract: which checks say so."""

import re

import pytest
from pgflow_testing.executor_suite import CHECKS

pytest_plugins = ["pytester"]

SETUP = """
import asyncio, json, logging, uuid
from datetime import timedelta

import pytest
from pgflow.envelope import Envelope
from pgflow.executor import Accepted, Capability, Observation, Phase, Rejected, Unknown
from pgflow_testing.executor_suite import ExecutorConformance, configured
from pgflow_testing.executor_suite.reference import *
from pgflow_testing.executor_suite.reference import Busy, ConnectionDropped, NotPossible, NotAllowed


class Conformance(ExecutorConformance):
    mutant = None

    @pytest.fixture
    def backend(self):
        return Cluster(uuid.uuid4().hex)

    @pytest.fixture
    def executor(self, backend):
        return configured(self.mutant, cluster=backend.name, request_timeout=0.5)

"""

#: The deliberately broken ones run the whole kit but for its storm.
BROKEN = {
    "RetriesByItself": (
        """
    async def launch(self, attempt):
        for _ in range(3):
            result = await super().launch(attempt)
            if isinstance(result, Accepted):
                break
        return result
""",
        {4, 5, 6, 7},
    ),
    "LetsExceptionsEscape": (
        """
    async def launch(self, attempt):
        async with asyncio.timeout(self.settings.request_timeout):
            uid = await self.cluster.create(self.job_name(attempt), self.body(attempt))
        return Accepted({"v": 1, "name": self.job_name(attempt), "uid": uid})
""",
        {2, 3, 4, 5, 6, 7, 13},
    ),
    "NamesAtRandom": (
        """
    def job_name(self, attempt):
        return uuid.uuid4().hex

    async def observe(self, refs):
        handles = [(ref.handle or {}).get("name", "") for ref in refs]
        found = await self.cluster.list([name for name in handles if name][:500])
        phases = [found[name].phase if name in found else Phase.NOT_FOUND for name in handles]
        return [Observation(ref, phase) for ref, phase in zip(refs, phases, strict=True)]

    async def cancel(self, ref, grace):
        await self.cluster.delete((ref.handle or {}).get("name", ""))
""",
        {2, 3},
    ),
}


def failed_checks(pytester, mutants, *arguments):
    """Run the kit against mutants; return, for each, which checks failed."""
    classes = [
        f"class {name}(ClusterExecutor):\n{body}\n\nclass Test{name}(Conformance):\n    mutant = {name}\n"
        for name, (body, _) in mutants.items()
    ]
    pytester.makepyfile(test_broken=SETUP + "\n\n".join(classes))
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-rfE", *arguments)
    failed = {name: set() for name in mutants}
    for line in result.outlines:
        found = re.match(r"(?:FAILED|ERROR) test_broken.py::Test(\w+)::test_(\d+)_", line)
        if found:
            failed[found[1]].add(int(found[2]))
    return failed, result


def test_every_check_has_its_words_and_its_test():
    from pgflow_testing.executor_suite import ExecutorConformance

    tested = {int(name.split("_")[1]) for name in dir(ExecutorConformance) if name.startswith("test_")}
    assert tested == set(CHECKS) == set(range(1, 21))


@pytest.mark.slow
def test_broken_executors_fail_the_kit(pytester, monkeypatch, pgflow_server):
    monkeypatch.setenv("PGFLOW_TEST_DSN", pgflow_server.dsn("postgres"))
    failed, result = failed_checks(pytester, BROKEN, "-k", "not test_20")
    assert failed == {name: checks for name, (_, checks) in BROKEN.items()}
    result.stdout.fnmatch_lines(
        [
            "check 6: after drop_response, one launch made * requests",
            "The contract: one launch is one remote request: the core is the only one that tries again.",
            "See docs/reference/executor-contract.md",
        ]
    )
