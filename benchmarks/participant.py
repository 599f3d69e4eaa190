"""A contender's driver, seen from the benchmark: a child process asked one operation at a time."""

import contextlib
import json
import os
import select
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Contender:
    """What takes part: its driver's command line, its settings in words, what it can do.

    `operations` are those of its driver; `chain` or another flow if it has a way to write one, `growth` if
    its maps may have any size, `delay` if it can enqueue what is due later.

    A slow one sends several calls a task and gets fewer runs, so that a round does not last for ever.
    """

    name: str
    command: tuple[str, ...]
    settings: str
    operations: frozenset[str]
    slow: bool = False

    def knows(self, *operations: str) -> bool:
        """Tell whether the driver has all of these operations."""
        return self.operations.issuperset(operations)


class DriverError(Exception):
    """A driver answered with an exception, or ended without an answer."""


class Driver:
    """A running driver process; leaving the `with` block ends it."""

    def __init__(self, contender: Contender, log: Path) -> None:
        self.contender = contender
        self._log = log.open("w")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self._process = subprocess.Popen(
            contender.command,
            cwd=ROOT,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    @property
    def pid(self) -> int:
        """The driver's process."""
        return self._process.pid

    def ask(self, operation: str, *, within: float = 600.0, **arguments: Any) -> dict[str, Any]:
        """Return the driver's answer; raises DriverError with its traceback, or after `within` seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": operation, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._gone(f"ended before {operation}") from None
        readable, _, _ = select.select([self._process.stdout], [], [], within)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            raise self._gone(
                f"{'ended' if readable else f'gave no answer within {within:g} s'} at {operation}"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise DriverError(f"{self.contender.name}, {operation}:\n{answer['error']}")
        return answer

    def _gone(self, what: str) -> DriverError:
        return DriverError(f"{self.contender.name} {what}; see {self._log.name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._log, self._process.stdout, contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
