"""JSON text <-> Python values, by their types.

Pydantic does the work and is imported only when a codec is made, so that defining a flow stays cheap.  What a
codec writes, PostgreSQL can store and the same codec can read.
"""

from __future__ import annotations

import collections
import functools
import inspect
import json
import re
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

from pgflow.errors import DefinitionError
from pgflow.jsontext import DEEPEST, is_too_deep

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

__all__ = [
    "CodecError",
    "Field",
    "HandlerTypes",
    "ObjectCodec",
    "ValueCodec",
    "handler_types",
    "to_json_value",
]

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_SHOWN_ERRORS: Final = 3
_TOO_DEEP: Final = f"refers to itself, or is nested more than {DEEPEST} levels deep"


class CodecError(ValueError):
    """A value does not fit its type or JSON.

    `path` leads to the first wrong place, () if that is the whole.
    """

    def __init__(self, problem: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(problem)
        self.path = path


class ValueCodec:
    """Encodes and decodes values of one type; raises DefinitionError if pydantic cannot handle the type."""

    def __init__(self, type_: Any, what: str) -> None:
        self._adapter = _adapter(type_, what)
        # The adapter's own methods look at a dozen options first; a codec is asked once a task or more.
        self._dump = self._adapter.serializer.to_json
        self._load = _loader(self._adapter)
        self._is_checked = type_ is not Any

    def encode(self, value: object) -> str:
        """Return the value as JSON text that decodes again; raises CodecError."""
        try:
            encoded = self._dump(value, by_alias=True, warnings=False)
        except (ValueError, TypeError, RecursionError) as error:
            raise CodecError(_encode_problem(error)) from error
        # Pydantic writes NaN and Infinity as null, so only a text with a null can hide one.
        if b"null" in encoded and value is not None and self._has_non_finite(value):
            raise CodecError("holds NaN or Infinity, which JSON cannot say: use None or a text instead")
        if b"\\u0000" in encoded and _NUL.search(encoded):
            raise CodecError("holds a NUL character (\\x00), which PostgreSQL cannot store")
        text = encoded.decode()
        if is_too_deep(text):
            raise CodecError(_TOO_DEEP)
        if self._is_checked:
            self._load(text)
        return text

    def decode(self, text: str) -> Any:
        """Return the value that JSON text stands for; raises CodecError."""
        return self._load(text)

    def rewrite(self, text: str) -> str:
        """Return JSON text as `encode` writes its value; raises CodecError.

        It is the text itself where the type changes nothing in it: a float knows fewer digits.
        """
        encoded = self.encode(self.decode(text))
        return text if _plain(text) == _plain(encoded) else encoded

    def schema(self, mode: Literal["validation", "serialization"] = "validation") -> dict[str, Any] | None:
        """Return the JSON schema of what `decode` takes or `encode` gives, None if it says nothing."""
        from pydantic.errors import PydanticInvalidForJsonSchema

        try:
            return self._adapter.json_schema(mode=mode) or None
        except PydanticInvalidForJsonSchema:
            return None

    def _has_non_finite(self, value: object) -> bool:
        plain = self._adapter.dump_python(value, warnings=False)
        try:
            json.dumps(plain, allow_nan=False, skipkeys=True, default=_listed)
        except ValueError:
            return True
        return False


@dataclass(frozen=True, slots=True)
class Field:
    """One value in a JSON object: its type, and the key it stands under."""

    type: Any
    key: str


class ObjectCodec:
    """Decodes the fields of one JSON object in a single pass.

    An absent key gives None, if the field's type accepts None; keys that no field names are ignored.
    """

    def __init__(self, fields: Mapping[str, Field], what: str) -> None:
        import pydantic
        from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

        make = cast("Callable[..., Any]", TypedDict)
        annotations = {
            name: Annotated[
                field.type, pydantic.Field(validation_alias=field.key, default=None, validate_default=True)
            ]
            for name, field in fields.items()
        }
        self._load = _loader(_adapter(make("Fields", annotations, total=False), what))

    def decode(self, text: str) -> dict[str, Any]:
        """Return field name -> value.

        The path of a CodecError begins with the key, or with the field's name if the key is absent.
        """
        decoded: dict[str, Any] = self._load(text)
        return decoded


@dataclass(frozen=True, slots=True)
class HandlerTypes:
    """The types of a handler's parameters and of its awaited result; Any where it says nothing."""

    parameters: Mapping[str, Any]
    result: Any


@functools.cache
def handler_types(handler: Callable[..., Any]) -> HandlerTypes:
    """Read a handler's annotations; raises DefinitionError if a name in them cannot be resolved."""
    where = f"{handler.__module__}:{handler.__qualname__}"
    try:
        hints = typing.get_type_hints(handler, include_extras=True)
    except (NameError, AttributeError) as error:
        raise DefinitionError(
            f"the annotations of {where} cannot be resolved: {error}; define or import the name at the top "
            "of the module, outside `if TYPE_CHECKING:`"
        ) from None
    result = hints.pop("return", Any)
    if typing.get_origin(result) in {Awaitable, Coroutine} and not inspect.iscoroutinefunction(handler):
        result = typing.get_args(result)[-1]
    names = inspect.signature(handler).parameters
    return HandlerTypes({name: hints.get(name, Any) for name in names}, result)


def to_json_value(value: object) -> Any:
    """Return a value of any type as plain JSON data; raises CodecError."""
    return json.loads(ValueCodec(Any, "a value").encode(value))


def _plain(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _adapter(type_: Any, what: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    try:
        return TypeAdapter(type_)
    except (PydanticUserError, PydanticUndefinedAnnotation, NameError, TypeError) as error:
        problem = str(error).partition("\n")[0]
        raise DefinitionError(
            f"{what} has a type that has no JSON form: {problem}; use a dataclass, a pydantic model, a "
            "TypedDict or a standard type"
        ) from error


def _loader(adapter: TypeAdapter[Any]) -> Callable[[str], Any]:
    """Return what decodes JSON text of the type, or raises CodecError."""
    from pydantic import ValidationError

    validate = adapter.validator.validate_json

    def load(text: str) -> Any:
        try:
            return validate(text)
        except ValidationError as error:
            raise CodecError(*_describe(error)) from None

    return load


def _describe(error: ValidationError) -> tuple[str, tuple[str | int, ...]]:
    problems = error.errors(include_url=False, include_context=False)
    lines: list[str] = []
    for problem in problems[:_SHOWN_ERRORS]:
        path = ".".join(map(str, problem["loc"]))
        got = "" if problem["type"] in {"missing", "json_invalid"} else f" (got {_kind(problem['input'])})"
        lines.append(f"{path}: {problem['msg']}{got}" if path else f"{problem['msg']}{got}")
    more = len(problems) - _SHOWN_ERRORS
    if more > 0:
        lines.append(f"and {more} more")
    return "; ".join(lines), problems[0]["loc"]


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _encode_problem(error: Exception) -> str:
    text = str(error)
    if "surrogates not allowed" in text:
        return "holds a lone surrogate (half of a character), which PostgreSQL cannot store"
    if isinstance(error, RecursionError) or "Circular reference" in text or "depth exceeded" in text:
        return _TOO_DEEP
    return f"has no JSON form: {text}"


def _listed(value: object) -> object:
    if isinstance(value, set | frozenset | collections.deque):
        return list(cast("Iterable[object]", value))
    return None
