"""What all checks share: the fixtures that a subclass gives, and how an async check is run."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import pytest
from pgflow.plugins import ExecutorInstance

from pgflow_testing.executor_suite.backend import FaultBackend
from pgflow_testing.executor_suite.bench import Bench
from pgflow_testing.executor_suite.marks import Marks

__all__ = ["Suite", "check"]

P = ParamSpec("P")
S = TypeVar("S", bound="Suite")


class Suite:
    """Give a subclass the fixture `executor` and, if its code runs elsewhere, `backend`."""

    step_options: Mapping[str, Any] = {}
    """The executor options of the step that the checks run, where the executor needs some."""

    @pytest.fixture
    def executor(self) -> ExecutorInstance:
        """The configured executor: `return configured(MyExecutor, url=...)`."""
        pytest.fail(f"{type(self).__name__} needs a fixture `executor`: return configured(MyExecutor, ...)")

    @pytest.fixture
    def backend(self) -> FaultBackend:
        """The remote place; checks that need more than it can do are skipped."""
        return FaultBackend()

    @pytest.fixture
    def marks(self, tmp_path: Path) -> Marks:
        """The folder where the handler of the checks says that it ran."""
        folder = tmp_path / "marks"
        folder.mkdir()
        return Marks(folder)

    @pytest.fixture
    def bench(
        self, executor: ExecutorInstance, backend: FaultBackend, marks: Marks, pgflow_database: str
    ) -> Iterator[Bench]:
        """What a check works with."""
        with Bench(pgflow_database, executor, backend, marks, self.step_options) as bench:
            yield bench


def check(
    test: Callable[Concatenate[S, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[S, P], None]:
    """Run an async check in an event loop of its own: no plugin for async tests is needed."""

    @functools.wraps(test)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner() as runner:
            runner.run(test(self, *args, **kwargs))

    return run
