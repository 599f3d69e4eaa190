"""The tables of keys in `docs/reference/`, from the settings models and the docstrings of their fields."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

from pgflow.config import ExecutorConfig, Settings
from pgflow.executor import Executor
from pgflow_local.executor import LocalExecutor
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

__all__ = ["config_page", "executor_page"]

_KEYS: Final = re.compile(r"(?<=^## Keys\n).*?(?=^## )", re.DOTALL | re.MULTILINE)
_BOUNDS: Final = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
_KINDS: Final = {"integer": "integer", "number": "number", "boolean": "boolean", "string": "text"}
_FORMATS: Final = {"duration": "seconds", "path": "path", "password": "text"}
_EXECUTORS: Final = "executors"
_TARGETS: Final = {"Kubernetes": "Job", "Supabase": "Edge"}
"""What flows call an executor that is named otherwise there."""


def config_page(text: str) -> str:
    """Return the page with the tables of keys that the models have now."""
    return _KEYS.sub(lambda _: "\n" + "".join(_sections()), text)


def executor_page(text: str, executor: type[Executor]) -> str:
    """Do the same for the page of one executor."""
    return _KEYS.sub(lambda _: "\n" + "".join(_executor(executor)), text)


def _sections() -> Iterator[str]:
    yield from _tables("", Settings)
    place = f"{_EXECUTORS}.<name>"
    yield f"### `[{place}]`\n\n{_about(ExecutorConfig)}\n\n"
    yield from _rows(ExecutorConfig)
    yield from _executor(LocalExecutor)


def _executor(executor: type[Executor]) -> Iterator[str]:
    yield from _tables(f"{_EXECUTORS}.<name>", executor.Settings, f' with `use = "{executor.name}"`')
    target = executor.StepOptions.__name__.removesuffix("StepOptions")
    yield f"Steps ask for more by `{_TARGETS.get(target, target)}(...)`:\n\n"
    yield from _rows(executor.StepOptions)


def _tables(place: str, model: type[BaseModel], suffix: str = "") -> Iterator[str]:
    """Yield a model's keys, then those of the tables below it."""
    if place:
        yield f"### `[{place}]`{suffix}\n\n{_about(model)}\n\n"
    yield from _rows(model)
    for name, field in model.model_fields.items():
        table = _table_of(field)
        if table is not None and (place or name != _EXECUTORS):
            item = ".<command>" if "dict" in str(field.annotation) else ""
            yield from _tables(f"{place}.{name}{item}".lstrip("."), table)


def _rows(model: type[BaseModel]) -> Iterator[str]:
    yield "| Key | Takes | Default | |\n|---|---|---|---|\n"
    schema = model.model_json_schema()
    meanings = _docstrings(model)
    for name, field in model.model_fields.items():
        if _table_of(field) is None:
            takes = _takes(schema["properties"][name], schema.get("$defs", {}))
            yield f"| `{name}` | {takes} | {_default(field)} | {meanings[name]} |\n"
    yield "\n"


def _about(model: type[BaseModel]) -> str:
    return " ".join(inspect.cleandoc(model.__doc__ or "").split())


def _table_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a key that is a table of TOML, or of several by name."""
    for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            return kind
    return None


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Read the strings below the fields; every field must have one."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(tree, ast.ClassDef)
    found = {
        field.target.id: " ".join(str(below.value.value).split())
        for field, below in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }
    silent = set(model.model_fields) - set(found)
    assert not silent, f"{model.__name__}: no docstring below {', '.join(sorted(silent))}"
    return found


def _takes(schema: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _takes(shared[schema["$ref"].rpartition("/")[2]], shared)
    if "anyOf" in schema:
        return " or ".join(_takes(each, shared) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{json.dumps(each)}`" for each in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_takes(schema['items'], shared)}"
    if schema.get("type") == "object":
        return "table"
    kind = _FORMATS.get(schema.get("format", ""), _KINDS[schema["type"]])
    bounds = " ".join(f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema)
    return f"{kind} {bounds}".strip()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return ""
    return _shown(field.default)


def _shown(value: object) -> str:
    if isinstance(value, list):
        value = [str(each) for each in cast("list[object]", value)]
    match value:
        case None | ():
            return "none"
        case timedelta():
            return f"`{value.total_seconds():g}`"
        case Path() | SecretStr():
            return f'`"{value}"`'
        case float():
            return f"`{value:g}`"
        case _:
            return f"`{json.dumps(value, default=str)}`"
