"""Checks an input against the JSON schema that a deployed flow carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, relevance

from pgflow.errors import InputError

__all__ = ["check_input"]


def check_input(value: object, schema: Mapping[str, Any] | None, flow_slug: str) -> None:
    """Raise InputError, naming the field, if the value does not match."""
    if schema is None:
        return
    validator = cast("Any", Draft202012Validator(schema))
    errors: list[ValidationError] = list(validator.iter_errors(value))
    if not errors:
        return
    error = min(errors, key=relevance)
    field = ".".join([*map(str, error.absolute_path), *_missing(error)[:1]])
    where = f"field {field!r}: " if field else ""
    raise InputError(f"the input of flow {flow_slug!r} is not valid: {where}{error.message}", field=field)


def _missing(error: ValidationError) -> list[str]:
    """Name the required fields that are not there."""
    if error.validator != "required":
        return []
    present = cast("Mapping[str, Any]", error.instance)
    return [name for name in cast("list[str]", error.validator_value) if name not in present]
