"""The handler of an AWS Lambda function that runs PGFlow's tasks.

    from pgflow.runtime.aws_lambda import lambda_handler

    handler = lambda_handler(thumbnails)        # a flow, or a module

Nothing of the dispatcher, the command line or a database is imported unless the envelope reports to one.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final, Protocol, TypeGuard

from pgflow.dsl import Flow
from pgflow.envelope import Envelope
from pgflow.runtime.delivery import Undelivered
from pgflow.runtime.line import Line
from pgflow.runtime.outcome import Outcome
from pgflow.runtime.output import keep
from pgflow.runtime.remote import run_envelope

__all__ = ["LambdaContext", "lambda_handler"]

_VERSION: Final = 1
"""Of what the function returns."""


class LambdaContext(Protocol):
    """What is used of the context that Lambda passes."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that the invocation still has."""
        ...


LambdaHandler = Callable[[Mapping[str, Any], LambdaContext], Mapping[str, Any]]


def lambda_handler(*sources: Flow[Any, Any] | ModuleType) -> LambdaHandler:
    """Return a handler that runs envelopes; only what `sources` name may run.

    A flow names the handlers of its steps; a module names its functions, those of its submodules, and the
    handlers of the flows in it.  The invocation's result is `{"v": 1, "kind", "reason"}`, by which nobody
    need go: the task has reported.  Raises Undelivered, EnvelopeInvalid or ConfigError inside the function.
    """
    if not sources:
        raise TypeError("lambda_handler needs the flows or modules whose handlers may run")
    allowed = sorted({pattern for source in sources for pattern in _patterns(source)})
    # Handlers do not see it in their environment.
    dsn = os.environ.pop("PGFLOW_DSN", None)
    line = Line(dsn)
    _keep_records()

    def handler(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
        envelope = Envelope.parse(json.dumps(event))
        with line.to(envelope.report) as reporter:
            outcome = run_envelope(
                envelope,
                # Lambda's own retries and duplicates have the id of the first, and a process that was
                # restored from a snapshot remembers what others remember: each invocation names itself anew.
                instance_id=f"{context.aws_request_id}-{uuid.uuid4().hex[:12]}",
                remaining=lambda: context.get_remaining_time_in_millis() / 1000,
                dsn=dsn,
                handlers=allowed,
                handlers_from="what lambda_handler was given",
                reporter=reporter,
            )
        return _result(outcome)

    return handler


class _Kept(logging.Handler):
    """Adds records to the log tail of the attempt."""

    def emit(self, record: logging.LogRecord) -> None:
        keep(self.format(record) + "\n")


def _keep_records() -> None:
    """Have log records reach the tail where Lambda's own handler sends them past stdout and stderr."""
    root = logging.getLogger()
    is_kept = any(isinstance(each, _Kept) for each in root.handlers)
    if not is_kept and any(hasattr(getattr(each, "log_sink", None), "fd") for each in root.handlers):
        kept = _Kept()
        kept.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(kept)


def _patterns(source: object) -> list[str]:
    if isinstance(source, ModuleType):
        flows = [_references(value) for value in vars(source).values() if _is_flow(value)]
        return [f"{source.__name__}.*", *itertools.chain.from_iterable(flows)]
    if _is_flow(source):
        return _references(source)
    raise TypeError(f"lambda_handler takes flows and modules, not {type(source).__name__}")


def _is_flow(value: object) -> TypeGuard[Flow[Any, Any]]:
    return isinstance(value, Flow)


def _references(source: Flow[Any, Any]) -> list[str]:
    return [step.handler_ref for step in source.placed_steps.values()]


def _result(outcome: Outcome) -> Mapping[str, Any]:
    if outcome.is_running:
        # Its thread would go on in the next invocation, in the middle of another task.
        print(f"{outcome.kind}: {outcome.reason}; its handler still runs: the process ends", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
    if outcome.kind == "undelivered":
        raise Undelivered(outcome.reason)
    return {"v": _VERSION, "kind": outcome.kind, "reason": outcome.reason}
