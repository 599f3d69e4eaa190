"""From placed steps to a definition: here types are resolved, and what JSON cannot carry is refused."""

from __future__ import annotations

import json
from typing import Any

from pgflow.codec import CodecError, ValueCodec, handler_types, to_json_value
from pgflow.dsl.builder import FlowBuilder
from pgflow.dsl.handlers import check_reference
from pgflow.dsl.node import Constant, PlacedStep, Taken
from pgflow.dsl.patterns import pattern_problem
from pgflow.dsl.result import Result
from pgflow.dsl.types import type_of
from pgflow.dsl.wiring import Tests
from pgflow.errors import DefinitionError
from pgflow.graph import FlowDefinition, StepDefinition

__all__ = ["define"]


def define(builder: FlowBuilder, input_codec: ValueCodec | None, result: Result) -> FlowDefinition:
    """Return the definition of a flow; raises DefinitionError for what JSON cannot carry."""
    if not builder.steps:
        raise DefinitionError("has no steps: call step() in its body", flow=builder.slug)
    steps = tuple(_StepWriter(step, input_codec).definition() for step in builder.steps.values())
    return FlowDefinition(
        flow_slug=builder.slug,
        steps=steps,
        options=builder.options,
        input_schema=input_codec.schema() if input_codec else None,
        returns=result.returns,
    )


class _StepWriter:
    def __init__(self, step: PlacedStep, input_codec: ValueCodec | None) -> None:
        self._step = step
        self._input_codec = input_codec
        try:
            types = handler_types(step.handler)
        except DefinitionError as error:
            raise self._error(str(error)) from None
        self._codecs = {
            name: self._codec(type_, f"parameter {name!r}") for name, type_ in types.parameters.items()
        }
        self._codec(types.result, "the result")  # refused here rather than in a run

    def definition(self) -> StepDefinition:
        step, wiring = self._step, self._step.wiring
        check_reference(step.handler, step.handler_ref, flow=step.source.flow, step=step.slug)
        params = {name: self._source(name, taken) for name, taken in wiring.bindings.items()}
        if step.is_map:
            params[next(iter(params))] = "item"
        options = dict(step.options)
        if wiring.when:
            options["required_input"] = self._patterns("when", wiring.when)
        if wiring.unless:
            options["forbidden_input"] = self._patterns("unless", wiring.unless)
        return StepDefinition(
            step_slug=step.slug,
            step_type="map" if step.is_map else "single",
            handler=step.handler_ref,
            deps=tuple(dep.slug for dep in wiring.deps),
            map_over=_key(wiring.map_over) if wiring.map_over else None,
            needs_run_input="run" in params.values(),
            params=params,
            executor=step.executor,
            executor_options=self._executor_options(),
            options=options,
        )

    def _source(self, parameter: str, taken: Taken) -> object:
        if not isinstance(taken.origin, Constant):
            return _key(taken)
        try:
            text = self._codecs[parameter].encode(taken.origin.value)
        except CodecError as error:
            raise self._error(f"the constant for parameter {parameter!r} does not fit: {error}") from error
        return {"const": json.loads(text)}

    def _patterns(self, option: str, tests: Tests) -> dict[str, Any]:
        patterns: dict[str, Any] = {}
        for taken, pattern in tests:
            try:
                patterns[_key(taken)] = plain = to_json_value(pattern)
            except CodecError as error:
                raise self._error(f"the pattern {error}", option) from error
            codec = self._input_codec if taken.step is None else self._codec(type_of(taken), "the pattern")
            problem = pattern_problem(plain, codec.schema("serialization") if codec else None)
            if problem is not None:
                raise self._error(f"the pattern for {taken.origin} never matches: {problem}", option)
        return patterns

    def _executor_options(self) -> dict[str, Any]:
        try:
            plain: dict[str, Any] = to_json_value(self._step.executor_options)
        except CodecError as error:
            raise self._error(
                f"the options of executor {self._step.executor!r}: {error}", "runs_on"
            ) from error
        return plain

    def _codec(self, type_: Any, what: str) -> ValueCodec:
        try:
            return ValueCodec(type_, f"{what} of {self._step.handler_ref}")
        except DefinitionError as error:
            raise self._error(str(error)) from error

    def _error(self, problem: str, option: str | None = None) -> DefinitionError:
        return DefinitionError(problem, flow=self._step.source.flow, step=self._step.slug, option=option)


def _key(taken: Taken) -> str:
    """Return the key that a value has in a handler's input."""
    return taken.step.slug if taken.step else "run"
