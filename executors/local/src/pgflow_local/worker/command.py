"""A command in the place of a handler: JSON on its standard input, JSON on its standard output."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final, cast

from pgflow.codec import CodecError, ValueCodec
from pgflow.errors import HandlerMissing, OutputInvalid
from pgflow.jsonb import is_object
from pgflow.jsontext import members
from pgflow.runtime import Handler, current_task
from pgflow.runtime.handlers import Arguments

from pgflow_local import log
from pgflow_local.crash import ending

__all__ = ["UNTYPED", "CommandFailed", "CommandHandler"]

UNTYPED: Final = "command:"
"""What the handler of a step begins with that has no Python function to say its types."""

_MOST: Final = 67_108_864
"""Bytes of output above which a command is stopped: no task's output may be as large."""
_LAST: Final = 4096
_LINES: Final = 20


class CommandFailed(Exception):
    """The command ended with another exit code than 0, or by a signal."""

    def __init__(
        self, message: str, *, retryable: bool = True, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds


class CommandHandler(Handler):
    """Runs a command for a task; `stub`, the handler that the step names, knows the types."""

    def __init__(self, command: Mapping[str, Any], stub: Handler | None) -> None:
        super().__init__(f"command {command['name']!r}", self._run)
        self._command = command
        self._stub = stub

    def decode(self, params: str | None, input_json: str) -> Arguments:
        """Return the object that the command reads: the handler's parameters by name."""
        if self._stub is not None:
            self._stub.decode(params, input_json)  # raises InputInvalid
        return Arguments((_bound(params, input_json),), {})

    def encode(self, result: object) -> str:
        """Return the command's output as the handler would have written it; raises OutputInvalid."""
        text = cast("str", result) or "null"
        if self._stub is not None:
            return self._stub.check(text, self.reference)
        try:
            return ValueCodec(Any, "the output").rewrite(text)
        except CodecError as error:
            raise OutputInvalid(f"the output of {self.reference} is not JSON: {error}") from error

    def _run(self, given: str) -> str:
        import subprocess
        from tempfile import TemporaryFile  # most workers need neither

        name = self._command["name"]
        with TemporaryFile() as file:  # a pipe would need somebody to fill it while the output is read
            file.write(given.encode())
            file.seek(0)
            try:
                process = subprocess.Popen(
                    self._command["argv"],
                    stdin=file,
                    stdout=subprocess.PIPE,
                    cwd=self._command["cwd"],
                    env={**os.environ, **_facts(), **self._command["environment"]},
                )
            except OSError as error:
                problem = f"command {name!r} cannot be started: {error}"
                raise HandlerMissing(problem, handler=self.reference) from error
        with process:
            output = process.stdout.read(_MOST + 1) if process.stdout else b""
            if len(output) > _MOST:
                process.kill()
                raise CommandFailed(f"command {name!r} wrote more than {_MOST} bytes", retryable=False)
        if process.returncode:
            raise _failure(name, process.returncode, output)
        return _decoded(output, name).strip()


def _bound(params: str | None, input_json: str) -> str:
    if params is None:
        return input_json
    given = members(input_json)
    bound: list[str] = []
    for name, source in members(params).items():
        value = members(source)["const"] if source.startswith("{") else given.get(json.loads(source))
        if value is not None:
            bound.append(f"{json.dumps(name)}: {value}")
    return f"{{{', '.join(bound)}}}"


def _facts() -> dict[str, str]:
    """Say in variables what `current_task()` says to a handler."""
    task = current_task()
    facts = {
        "RUN_ID": task.run_id,
        "FLOW_SLUG": task.flow_slug,
        "STEP_SLUG": task.step_slug,
        "TASK_INDEX": task.task_index,
        "ATTEMPT": task.attempt,
        "DEADLINE": "" if task.deadline is None else task.deadline.isoformat(),
        "IDEMPOTENCY_KEY": task.idempotency_key,
    }
    return {f"PGFLOW_{name}": str(value) for name, value in facts.items()}


def _failure(name: str, returncode: int, output: bytes) -> CommandFailed:
    """Read the verdict that a failing command may have written; without one it is the exit code's."""
    how = f"command {name!r} {ending(returncode)}"
    verdict = _verdict(output)
    after = verdict.get("retry_after_seconds")
    said = verdict.get("message")
    if said is None:
        lines = log.tail(2, _LAST).decode(errors="replace").splitlines()[-_LINES:]
        said = "the last it wrote to stderr was:\n" + "\n".join(lines) if lines else None
    return CommandFailed(
        how if said is None else f"{how}: {said}",
        retryable=verdict.get("retryable") is not False,
        retry_after_seconds=float(after) if isinstance(after, int | float) and after >= 0 else None,
    )


def _verdict(output: bytes) -> dict[str, Any]:
    try:
        said = json.loads(output)
    except ValueError:
        return {}
    return said if is_object(said) else {}


def _decoded(output: bytes, name: str) -> str:
    try:
        return output.decode()
    except UnicodeDecodeError as error:
        raise OutputInvalid(f"the output of command {name!r} is not UTF-8: {error}") from error
