"""What holds for all tests."""

import sys
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# A machine that stood still for a moment says nothing about the code.
settings.register_profile("pgflow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pgflow")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the compiled tests, even where PYTHONDONTWRITEBYTECODE is set: half of collecting is that.

    What is imported later is not kept then: tests write modules, and must not meet an older one.
    """
    wanted, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = wanted
