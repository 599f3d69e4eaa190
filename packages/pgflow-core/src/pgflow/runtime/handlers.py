"""Handlers by reference, and the binding of a task's input to their parameters."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pgflow.codec import CodecError, Field, ObjectCodec, ValueCodec, handler_types
from pgflow.errors import HandlerMissing, InputInvalid, OutputInvalid
from pgflow.jsonb import is_object

__all__ = ["Arguments", "Handler", "resolve"]

_REFERENCE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_PLANS_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a handler is called with."""

    positional: tuple[Any, ...]
    named: Mapping[str, Any]


class Handler:
    """A function, the reference it was found by, and the codecs of its parameters and its result."""

    def __init__(self, reference: str, function: Callable[..., Any]) -> None:
        self.reference = reference
        self.function = function
        self._signature = inspect.signature(function)
        self._plan = functools.lru_cache(_PLANS_KEPT)(self._make_plan)

    def decode(self, params: str | None, input_json: str) -> Arguments:
        """Return the arguments for a task's input, an object of "run", "item" and dependencies' slugs.

        `params` is the JSON text of handler parameter -> key or {"const": value}.  Without it parameters take
        the keys of their own names; a sole parameter without a default takes a sole key of any name.
        Raises InputInvalid.
        """
        keys = () if params else self._keys(input_json)
        return self._plan(params, keys).arguments(input_json)

    def encode(self, result: object) -> str:
        """Return a result as JSON text; raises OutputInvalid."""
        try:
            return self._result_codec.encode(result)
        except CodecError as error:
            raise OutputInvalid(f"the result of {self.reference} is not valid: {error}") from error

    def check(self, text: str, maker: str) -> str:
        """Return JSON text that something else wrote in place of the handler, as `encode` would write it.

        Raises OutputInvalid that names `maker`.
        """
        try:
            return self._result_codec.rewrite(text)
        except CodecError as error:
            problem = f"the output of {maker} is not what {self.reference} returns: {error}"
            raise OutputInvalid(problem) from error

    @functools.cached_property
    def _result_codec(self) -> ValueCodec:
        return ValueCodec(handler_types(self.function).result, f"the result of {self.reference}")

    def _keys(self, input_json: str) -> tuple[str, ...]:
        if not self._signature.parameters:
            return ()
        document = json.loads(input_json)
        if not is_object(document):
            raise InputInvalid(f"the input of {self.reference} is not an object")
        return tuple(sorted(document))

    def _make_plan(self, params: str | None, keys: tuple[str, ...]) -> _Plan:
        return _Plan(self, json.loads(params) if params else self._params_by_name(keys), self._signature)

    def _params_by_name(self, keys: tuple[str, ...]) -> dict[str, str]:
        parameters = self._signature.parameters
        required = [p.name for p in parameters.values() if p.default is p.empty]
        missing = [name for name in required if name not in keys]
        if len(required) == len(missing) == len(keys) == 1:
            return {required[0]: keys[0]}
        if missing:
            raise InputInvalid(
                f"{self.reference} takes {missing[0]!r}, but the input has {', '.join(keys) or 'nothing'}: "
                "give the step params, or the parameter a default",
                parameter=missing[0],
            )
        return {name: name for name in parameters if name in keys}


class _Plan:
    """How one wiring of a handler turns input JSON into arguments."""

    def __init__(self, handler: Handler, params: Mapping[str, Any], signature: inspect.Signature) -> None:
        types = handler_types(handler.function).parameters
        for name in params:
            if name not in types:
                problem = f"{handler.reference} has no parameter {name!r}, which the step's params name"
                raise InputInvalid(problem, parameter=name)
        self._reference = handler.reference
        self._keys = {name: source for name, source in params.items() if isinstance(source, str)}
        self._codec = ObjectCodec(
            {name: Field(types[name], key) for name, key in self._keys.items()},
            f"the input of {handler.reference}",
        )
        self._constants = {
            name: (ValueCodec(types[name], f"parameter {name!r}"), json.dumps(source["const"]))
            for name, source in params.items()
            if not isinstance(source, str)
        }
        kinds = signature.parameters
        self._positional = [
            n for n in kinds if n in params and kinds[n].kind is inspect.Parameter.POSITIONAL_ONLY
        ]

    def arguments(self, input_json: str) -> Arguments:
        try:
            named = self._codec.decode(input_json) if self._keys else {}
        except CodecError as error:
            raise self._invalid(error) from error
        for name, (codec, text) in self._constants.items():
            try:
                named[name] = codec.decode(text)
            except CodecError as error:
                problem = f"parameter {name!r} of {self._reference} cannot take its constant: {error}"
                raise InputInvalid(problem, parameter=name) from error
        if not self._positional:
            return Arguments((), named)
        return Arguments(tuple(named.pop(name) for name in self._positional), named)

    def _invalid(self, error: CodecError) -> InputInvalid:
        key = error.path[0] if error.path else None
        for parameter, source in self._keys.items():
            if key == source:
                problem = f"parameter {parameter!r} of {self._reference} cannot take {source!r}: {error}"
                return InputInvalid(problem, parameter=parameter)
            if key == parameter:
                problem = (
                    f"parameter {parameter!r} of {self._reference} does not accept None, but step {source!r} "
                    "was skipped"
                )
                return InputInvalid(problem, parameter=parameter)
        return InputInvalid(f"the input of {self._reference} is not valid: {error}")


@functools.cache
def resolve(reference: str) -> Handler:
    """Import the handler "module:function", once; raises HandlerMissing if that does not work here."""
    if not _REFERENCE.fullmatch(reference):
        problem = f"{reference!r} is not of the form module:function: deploy the flow with a handler that is"
        raise HandlerMissing(problem, handler=reference)
    module_name, _, name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        problem = f"cannot import {module_name!r} for handler {reference}: {type(error).__name__}: {error}"
        raise HandlerMissing(problem, handler=reference) from error
    function = getattr(module, name, None)
    if not (inspect.isfunction(function) or inspect.isbuiltin(function)):
        problem = (
            f"module {module_name!r} has no function {name!r}: give the workers the code that was deployed, "
            "or deploy the flow again"
        )
        raise HandlerMissing(problem, handler=reference)
    return Handler(reference, function)
