"""The checks that an executor of whoever wrote it must pass: subclass `ExecutorConformance`.

    class TestMine(ExecutorConformance):
        @pytest.fixture
        def executor(self):
            return configured(MyExecutor, url="http://127.0.0.1:8080")

        @pytest.fixture
        def backend(self):
            return MyBackend()  # a FaultBackend; not needed where code runs under the dispatcher

Each `Base...` class can be had alone.  What a check asks is in `CHECKS`.
"""

from __future__ import annotations

from pgflow_testing.executor_suite.attempt import make_attempt
from pgflow_testing.executor_suite.backend import FaultBackend
from pgflow_testing.executor_suite.bench import Bench, Launched, configured
from pgflow_testing.executor_suite.contract import CHECKS
from pgflow_testing.executor_suite.hygiene import BaseClosing, BaseLargeInput, BaseSecrecy, BaseSettings
from pgflow_testing.executor_suite.launching import BaseFaultyLaunch, BaseLaunch
from pgflow_testing.executor_suite.marks import Marks
from pgflow_testing.executor_suite.observing import BaseCancel, BaseObserve
from pgflow_testing.executor_suite.recovering import BaseLateReport, BaseNoReport, BaseSlots, BaseStorm

__all__ = [
    "CHECKS",
    "BaseCancel",
    "BaseClosing",
    "BaseFaultyLaunch",
    "BaseLargeInput",
    "BaseLateReport",
    "BaseLaunch",
    "BaseNoReport",
    "BaseObserve",
    "BaseSecrecy",
    "BaseSettings",
    "BaseSlots",
    "BaseStorm",
    "Bench",
    "ExecutorConformance",
    "FaultBackend",
    "Launched",
    "Marks",
    "configured",
    "make_attempt",
]


class ExecutorConformance(
    BaseLaunch,
    BaseFaultyLaunch,
    BaseObserve,
    BaseCancel,
    BaseSecrecy,
    BaseLargeInput,
    BaseClosing,
    BaseSettings,
    BaseLateReport,
    BaseNoReport,
    BaseSlots,
    BaseStorm,
):
    """All checks."""
