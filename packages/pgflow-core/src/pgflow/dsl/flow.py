"""A defined flow: its definition, its input and its output."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, cast

from pgflow.codec import CodecError, ObjectCodec, ValueCodec
from pgflow.dsl.builder import FlowBuilder
from pgflow.dsl.definition import define
from pgflow.dsl.result import Result
from pgflow.dsl.types import input_type_of
from pgflow.dsl.typevars import In, Out
from pgflow.errors import InputError, OutputInvalid

if TYPE_CHECKING:
    from pgflow.dsl.node import PlacedStep
    from pgflow.graph import FlowDefinition

__all__ = ["Flow"]


class Flow(Generic[In, Out]):
    """A checked graph from an input of type In to an output of type Out.

    Made by the decorator `flow`.  A flow without a parameter has In = None.
    """

    def __init__(
        self, builder: FlowBuilder, body: Callable[..., Any], *, takes_input: bool, returned: object
    ) -> None:
        self._builder = builder
        self._body = body
        self._takes_input = takes_input
        self._result = Result(returned, builder.source)
        self.__doc__ = body.__doc__
        self.__module__ = body.__module__

    @property
    def slug(self) -> str:
        """The flow's name in the database."""
        return self._builder.slug

    @property
    def placed_steps(self) -> Mapping[str, PlacedStep]:
        """The steps with their handlers, each after those it depends on."""
        return self._builder.steps

    @property
    def input_type(self) -> Any:
        """The type of the flow's input; None if it takes no input."""
        return input_type_of(self._body, self.slug) if self._takes_input else None

    @cached_property
    def definition(self) -> FlowDefinition:
        """What the database stores of the flow.

        Raises DefinitionError if a type or a constant has no JSON form, or a name cannot be resolved.
        """
        return define(self._builder, self._input_codec, self._result)

    def to_sql(self) -> str:
        """Return an SQL script that defines the flow; running it again changes nothing."""
        from pgflow.compile import to_sql

        return to_sql(self.definition)

    def encode_input(self, value: In) -> str:
        """Return `value` as the JSON text of a run's input.

        Raises InputError naming the field if it does not match the flow's input type.
        """
        if self._input_codec is None:
            if value is not None:
                raise InputError(f"flow {self.slug!r} takes no input: give None", field="")
            return "{}"
        try:
            return self._input_codec.encode(value)
        except CodecError as error:
            raise self._input_error(error) from error

    def encode_json_input(self, text: str) -> str:
        """Return JSON text, as a command line takes it, as that of a run's input.

        A flow without input takes an empty object, too.  Raises InputError as `encode_input` does.
        """
        if self._input_codec is None:
            if "".join(text.split()) not in {"{}", "null"}:
                raise InputError(f"flow {self.slug!r} takes no input: leave it out", field="")
            return "{}"
        try:
            return self._input_codec.rewrite(text)
        except CodecError as error:
            raise self._input_error(error) from error

    def decode_output(self, outputs: str | Mapping[str, Any] | None) -> Out:
        """Return the flow's value from the outputs of a run's completed steps, step slug -> output.

        The run's own output will do if the flow returns one node, or nodes nothing else takes.
        Raises OutputInvalid if the outputs do not match the types that the handlers return.
        """
        if outputs is None or outputs == "null":
            text = "{}"
        else:
            text = outputs if isinstance(outputs, str) else json.dumps(outputs)
        try:
            values = self._result_codec.decode(text)
        except CodecError as error:
            raise OutputInvalid(
                f"the output of flow {self.slug!r} does not match its type: {error}"
            ) from error
        return cast("Out", self._result.assemble(values))

    def run_inline(self, value: In) -> Out:
        """Run the flow in this process, without a database: see `pgflow.run_inline`."""
        from pgflow.inline import run_inline

        return run_inline(self, value)

    def _input_error(self, error: CodecError) -> InputError:
        field = ".".join(map(str, error.path))
        return InputError(f"the input of flow {self.slug!r} is not valid: {error}", field=field)

    @cached_property
    def _input_codec(self) -> ValueCodec | None:
        if not self._takes_input:
            return None
        return ValueCodec(self.input_type, f"the input of flow {self.slug!r}")

    @cached_property
    def _result_codec(self) -> ObjectCodec:
        return self._result.codec()

    def __repr__(self) -> str:
        return f"<Flow {self.slug!r}: {len(self.placed_steps)} steps>"
