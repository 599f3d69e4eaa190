"""The JSON schemas of many values at once, so that a type has one name wherever it stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from pgflow.typegen.shapes import Mode, Value

if TYPE_CHECKING:
    from pydantic_core import core_schema

__all__ = ["schemas_of"]


def schemas_of(values: Iterable[Value]) -> tuple[dict[Value, Any], dict[str, Any]]:
    """Return the schema of each value, and the definitions that they refer to by "#/$defs/<name>"."""
    inputs: list[tuple[Value, Mode, TypeAdapter[Any]]] = [
        (value, value.mode, TypeAdapter(value.type)) for value in values
    ]
    found, rest = TypeAdapter.json_schemas(inputs, schema_generator=_WrittenSchema)
    return {value: schema for (value, _), schema in found.items()}, rest.get("$defs", {})


class _WrittenSchema(GenerateJsonSchema):
    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        # What Python writes has every field, those that were left at their defaults, too.
        if self.mode == "serialization" and field["type"] != "typed-dict-field":
            return field.get("serialization_exclude_if") is None
        return super().field_is_required(field, total)

    def handle_invalid_for_json_schema(self, schema: object, error_info: str) -> JsonSchemaValue:
        # Such a value has a JSON form that only Python knows.
        return {}
