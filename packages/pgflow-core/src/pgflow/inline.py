"""Runs a flow in this process, without a database: for tests of flows.

Every value is encoded and decoded as in a real run, and conditions, skips, retries and maps follow the
engine's rules.  Delays are not waited for and timeouts are not enforced.
"""

from __future__ import annotations

import contextvars
import functools
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

from pgflow.errors import RunFailed
from pgflow.graph import DEFAULT_OPTIONS, StepDefinition
from pgflow.jsonb import contains, is_array
from pgflow.runtime.call import run_handler
from pgflow.runtime.context import Task
from pgflow.runtime.failures import failure_of
from pgflow.runtime.handlers import Handler
from pgflow.runtime.stand_in import check_slugs, stand_in

if TYPE_CHECKING:
    from pgflow.dsl.flow import Flow

__all__ = ["handlers_of", "outside_event_loop", "run_inline"]

T = TypeVar("T")
In = TypeVar("In")
Out = TypeVar("Out")


def run_inline(
    flow: Flow[In, Out], value: In, *, handlers: Mapping[str, Callable[..., Any]] | None = None
) -> Out:
    """Run every step of `flow` here, one after the other, and return the flow's value.

    `handlers`, step slug -> function, stand in for handlers; values keep the types of those they replace.
    Raises InputError for a bad input and RunFailed, caused by the handler's exception, when a step fails.
    """
    run = _Run(flow, flow.encode_input(value), handlers_of(flow, handlers or {}))
    return flow.decode_output(outside_event_loop(run.outputs))


def outside_event_loop(work: Callable[[], T]) -> T:
    """Do work that may run async handlers: here, or in a thread if this one runs an event loop already."""
    if not _in_event_loop():
        return work()
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, work).result()


def handlers_of(flow: Flow[Any, Any], instead: Mapping[str, Callable[..., Any]]) -> dict[str, Handler]:
    """Return the handlers of a flow by step; raises ValueError for a stand-in of a step it does not have."""
    check_slugs(instead, flow.placed_steps, flow.slug)
    return {
        slug: Handler(placed.handler_ref, stand_in(placed.handler, instead[slug]))
        if slug in instead
        else _handler(placed.handler_ref, placed.handler)
        for slug, placed in flow.placed_steps.items()
    }


class _StepFailure(Exception):
    """A step failed for good; `policy` decides what that does to the run."""

    def __init__(self, error: dict[str, Any], policy: str, cause: Exception | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.policy = policy
        self.cause = cause


class _Run:
    def __init__(self, flow: Flow[Any, Any], input_text: str, handlers: Mapping[str, Handler]) -> None:
        self._id: UUID = uuid4()
        self._flow = flow
        self._input = input_text
        self._handlers = handlers
        self._outputs: dict[str, str] = {}
        self._cascaded: set[str] = set()

    def outputs(self) -> str:
        """Run all steps and return the JSON object of the completed ones' outputs."""
        for step in self._flow.definition.steps:
            self._run_step(step)
        return _object(self._outputs)

    def _run_step(self, step: StepDefinition) -> None:
        options = {**DEFAULT_OPTIONS, **self._flow.definition.options, **step.options}
        if not self._cascaded.isdisjoint(step.deps):
            self._cascaded.add(step.step_slug)
            return
        try:
            self._check_condition(step, options)
            self._outputs[step.step_slug] = self._start(step, options)
        except _StepFailure as failure:
            if failure.policy == "fail":
                raise RunFailed(None, {**failure.error, "step_slug": step.step_slug}) from failure.cause
            if failure.policy == "skip_cascade":
                self._cascaded.add(step.step_slug)

    def _check_condition(self, step: StepDefinition, options: Mapping[str, Any]) -> None:
        required, forbidden = options["required_input"], options["forbidden_input"]
        if required is None and forbidden is None:
            return
        known = {"run": json.loads(self._input)}
        known |= {dep: json.loads(self._outputs[dep]) for dep in step.deps if dep in self._outputs}
        met = required is None or contains(known, required)
        if not met or (forbidden is not None and contains(known, forbidden)):
            problem = f"the condition of step {step.step_slug!r} is not met"
            raise _StepFailure({"code": "CONDITION_UNMET", "message": problem}, options["when_unmet"])

    def _start(self, step: StepDefinition, options: Mapping[str, Any]) -> str:
        values = {
            dep: self._outputs[dep] for dep in step.deps if dep in self._outputs and dep != step.map_over
        }
        if step.needs_run_input:
            values["run"] = self._input
        if step.map_over is None:
            return self._attempt(step, 0, values, options)
        return self._map(step, values, options)

    def _map(self, step: StepDefinition, values: Mapping[str, str], options: Mapping[str, Any]) -> str:
        source = step.map_over or "run"
        items = json.loads(self._input if source == "run" else self._outputs.get(source, "[]"))
        if not is_array(items):
            problem = f"map step {step.step_slug!r} needs an array, but {source!r} gave another value"
            raise _StepFailure({"code": "TYPE_VIOLATION", "message": problem}, "fail")
        outputs: list[str] = []
        failed = 0
        for index, item in enumerate(items):
            try:
                outputs.append(self._attempt(step, index, {**values, "item": json.dumps(item)}, options))
            except _StepFailure:
                failed += 1
                if failed > options["max_failures"]:
                    raise
                outputs.append("null")
        return f"[{','.join(outputs)}]"

    def _attempt(
        self, step: StepDefinition, index: int, values: Mapping[str, str], options: Mapping[str, Any]
    ) -> str:
        handler = self._handlers[step.step_slug]
        params = json.dumps(step.params) if step.params else None  # as the engine stores it
        for attempt in range(1, options["max_attempts"] + 1):
            deadline = datetime.now(UTC) + timedelta(seconds=options["timeout"])
            task = Task(self._id, self._flow.slug, step.step_slug, index, attempt, deadline)
            try:
                return run_handler(handler, params, _object(values), task=task)
            except Exception as error:
                failure = failure_of(error)
                if failure.retryable and attempt < options["max_attempts"]:
                    continue
                ended = {**failure.error, "task_index": index, "attempt": attempt}
                raise _StepFailure(ended, options["when_exhausted"], error) from error
        raise AssertionError("max_attempts is at least 1")


@functools.cache
def _handler(reference: str, function: Callable[..., Any]) -> Handler:
    return Handler(reference, function)


def _object(values: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{key}":{text}' for key, text in values.items()) + "}"


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
