"""Every error PGFlow raises, and the two a handler raises on purpose.

The docstring of a class is its default message.  All of them survive pickling, to cross processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

__all__ = [
    "ERROR_BY_SQLSTATE",
    "BadInput",
    "ConfigError",
    "Conflict",
    "DatabaseError",
    "DatabaseUnreachable",
    "DefinitionError",
    "EnvelopeInvalid",
    "FlowNotFound",
    "ForeignSchema",
    "HandlerAborted",
    "HandlerError",
    "HandlerMissing",
    "InputError",
    "InputInvalid",
    "KeyRefused",
    "NonRetryable",
    "NotInTask",
    "NotPossible",
    "NotYours",
    "OutputInvalid",
    "PgflowError",
    "PluginError",
    "RetryAfter",
    "RunCancelled",
    "RunFailed",
    "RunNotFound",
    "SchemaMissing",
    "SchemaTooNew",
    "SchemaTooOld",
    "TaskCancelled",
    "TooLarge",
]


def _restore(cls: type[PgflowError], args: tuple[Any, ...], state: dict[str, Any]) -> PgflowError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class PgflowError(Exception):
    """PGFlow could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        self.message: str = message or (type(self).__doc__ or "").partition("\n")[0]
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


class DefinitionError(PgflowError):
    """The flow is not a valid definition.

    Raised while a flow is being defined or deployed (SQLSTATE PF001), never in a run.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        flow: str | None = None,
        step: str | None = None,
        option: str | None = None,
    ) -> None:
        self.flow = flow
        self.step = step
        self.option = option
        named = (("flow", flow), ("step", step), ("option", option))
        where = ", ".join(f"{kind} {name!r}" for kind, name in named if name is not None)
        super().__init__(f"{where}: {message}" if where and message else message)


class InputError(PgflowError):
    """The input does not match the flow's input type.

    `field` is the dotted path of the first wrong field, "" for the input as a whole, None if unknown.
    """

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        self.field = field
        super().__init__(message)


class HandlerError(PgflowError):
    """A handler could not be run, or its result could not be used."""


class HandlerMissing(HandlerError):
    """The worker cannot import the handler.

    `handler` is the reference that was looked for, "module:function".  The task is handed back, not failed.
    """

    def __init__(self, message: str | None = None, *, handler: str | None = None) -> None:
        self.handler = handler
        super().__init__(message)


class InputInvalid(HandlerError):
    """The task's input does not match the types of the handler's parameters.

    `parameter` names the handler's parameter, if one is to blame.
    """

    def __init__(self, message: str | None = None, *, parameter: str | None = None) -> None:
        self.parameter = parameter
        super().__init__(message)


class OutputInvalid(HandlerError):
    """The handler's result does not match its return type, or is not JSON that PostgreSQL can store."""


class HandlerAborted(HandlerError):
    """The handler ended with an exception that would end a program, such as SystemExit or CancelledError.

    That exception is the `__cause__`.  To the worker it is a failure like any other.
    """


class EnvelopeInvalid(PgflowError):
    """The envelope of a task cannot be read.

    Raised where a task was to run: it has not made its handshake, and its launch deadline will return it.
    """


class ConfigError(PgflowError):
    """The configuration is not valid."""


class DatabaseError(PgflowError):
    """The database refused a statement."""

    def __init__(self, message: str | None = None, *, sqlstate: str | None = None) -> None:
        self.sqlstate = sqlstate
        super().__init__(message)


class DatabaseUnreachable(DatabaseError):
    """The database cannot be reached."""


class SchemaMissing(DatabaseError):
    """The database has no PGFlow schema: run `pgflow migrate`."""


class SchemaTooOld(DatabaseError):
    """The database's PGFlow schema is older than this library: run `pgflow migrate`."""


class SchemaTooNew(DatabaseError):
    """The database's PGFlow schema is newer than this library: upgrade pgflow-core."""


class ForeignSchema(DatabaseError):
    """The schema `pgflow` of this database belongs to another product."""


class FlowNotFound(PgflowError):
    """No such flow, or no such version of it (SQLSTATE PF002)."""


class RunNotFound(PgflowError):
    """No such run, step, task or worker key (SQLSTATE PF003)."""


class Conflict(PgflowError):
    """The same run id was already used with other content (SQLSTATE PF004)."""


class NotPossible(PgflowError):
    """Not possible in the present state (SQLSTATE PF005)."""


class NotYours(PgflowError):
    """The run belongs to another user (SQLSTATE PF006)."""


class KeyRefused(PgflowError):
    """The worker key is unknown, was revoked, or has expired (SQLSTATE PF009)."""


class TooLarge(PgflowError):
    """An input, output or batch exceeds its size limit (SQLSTATE PF007)."""


class BadInput(InputError):
    """The engine refused the input (SQLSTATE PF008)."""


class RunFailed(PgflowError):
    """The run failed.

    `error` is the engine's error object `{code, message, type?, traceback?, step_slug?, task_index?,
    attempt?}`.  `run_id` is None for a run in-process.
    """

    def __init__(self, run_id: UUID | None, error: Mapping[str, Any] | None = None) -> None:
        self.run_id = run_id
        self.error: dict[str, Any] = dict(error or {})
        super().__init__(self._describe())

    def _describe(self) -> str:
        error = self.error
        who = "the run failed" if self.run_id is None else f"run {self.run_id} failed"
        if error.get("step_slug") is not None:
            item = error.get("task_index")
            who += f" at step {error['step_slug']!r}" + (f", item {item}" if item else "")
        what = [error[key] for key in ("code", "type", "message") if error.get(key)]
        return f"{who}: {': '.join(map(str, what))}" if what else who

    @property
    def step_slug(self) -> str | None:
        """The step whose failure ended the run, if the engine named one."""
        return self.error.get("step_slug")


class RunCancelled(PgflowError):
    """The run was cancelled."""

    def __init__(self, run_id: UUID | None, reason: str | None = None) -> None:
        self.run_id = run_id
        self.reason = reason
        super().__init__(f"run {run_id} was cancelled" + (f": {reason}" if reason else ""))


class PluginError(PgflowError):
    """A plugin is broken, or two of them claim the same name."""

    def __init__(self, message: str | None = None, *, plugin: str | None = None) -> None:
        self.plugin = plugin
        super().__init__(message)


class NotInTask(PgflowError):
    """There is no current task: `current_task()` works only inside a handler that a worker runs."""


class TaskCancelled(PgflowError):
    """The attempt was cancelled, or another one took its place; let this error pass."""


class NonRetryable(PgflowError):
    """The handler says that trying again is of no use."""


class RetryAfter(PgflowError):
    """The handler asks to be tried again after a delay.

    `seconds` replaces the step's back-off; the attempt counts against max_attempts.
    """

    def __init__(self, seconds: float | timedelta, message: str | None = None) -> None:
        self.seconds: float = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if not 0 <= self.seconds < float("inf"):
            raise ValueError(f"RetryAfter takes a finite number of seconds >= 0, not {seconds!r}")
        super().__init__(message or f"asked to be tried again after {self.seconds:g} s")


#: The engine's own SQLSTATEs; each class is made with the server's message alone.
ERROR_BY_SQLSTATE: Final[Mapping[str, type[PgflowError]]] = {
    "PF001": DefinitionError,
    "PF002": FlowNotFound,
    "PF003": RunNotFound,
    "PF004": Conflict,
    "PF005": NotPossible,
    "PF006": NotYours,
    "PF007": TooLarge,
    "PF008": BadInput,
    "PF009": KeyRefused,
}
