"""The kit against executors that break their contract: each is caught, by the checks that ask for it."""

import re

import pytest
from pgflow_testing.executor_suite import CHECKS

from .broken import BROKEN, MUTANTS, SETUP, WAITED_FOR

pytest_plugins = ["pytester"]


@pytest.fixture
def failed_checks(pytester, monkeypatch, pgflow_server):
    """Run checks against a mutant: `failed_checks(body, checks)` gives those that failed, and the output."""
    monkeypatch.setenv("PGFLOW_TEST_DSN", pgflow_server.dsn("postgres"))

    def run(body, checks):
        mutant = (
            f"class Mutant(ClusterExecutor):\n{body}\n\nclass TestMutant(Conformance):\n    mutant = Mutant\n"
        )
        pytester.makepyfile(test_mutant=SETUP + mutant)
        chosen = " or ".join(f"test_{number:02}_" for number in checks)
        result = pytester.runpytest_inprocess(
            "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:asyncio", "-rfE", "-k", chosen
        )
        found = (
            re.match(r"(?:FAILED|ERROR) test_mutant.py::\w+::test_(\d+)_", line) for line in result.outlines
        )
        return {int(each[1]) for each in found if each}, result

    return run


def test_every_check_has_its_words_its_test_and_a_mutant_that_it_fails():
    from pgflow_testing.executor_suite import ExecutorConformance

    tested = {int(name.split("_")[1]) for name in dir(ExecutorConformance) if name.startswith("test_")}
    assert tested == set(CHECKS) == set(range(1, 21))
    assert set().union(*(checks for _, checks in (BROKEN | MUTANTS).values())) == set(CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_executor_fails_the_kit(failed_checks, name):
    """The whole kit but for its storm."""
    body, checks = BROKEN[name]
    failed, result = failed_checks(body, set(CHECKS) - {20})
    assert failed == checks
    if name == "RetriesByItself":
        result.stdout.fnmatch_lines(
            [
                "check 6: after drop_response, one launch made * requests",
                "The contract: one launch is one remote request: the core is the only one that tries again.",
                "See docs/reference/executor-contract.md",
            ]
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught_by_its_checks_and_passes_another(failed_checks, monkeypatch, name):
    body, checks = MUTANTS[name]
    another = {12 if 12 not in checks else 1}
    if name not in WAITED_FOR:
        assert failed_checks(body, checks | another)[0] == checks
        return
    assert failed_checks(body, another)[0] == set()
    monkeypatch.setattr("pgflow_testing.executor_suite.bench.PATIENCE", 3.0)
    assert failed_checks(body, checks)[0] == checks
