"""The TypeScript written for types made up at random takes what Python writes for their values."""

from __future__ import annotations

import json

import pytest
from pgflow.typegen.declarations import Declarations
from pgflow.typegen.shapes import Value
from pydantic import TypeAdapter

from .made_up_types import made_up
from .tools import deno

pytestmark = pytest.mark.slow

EXAMPLES = 150


def test_types_take_what_python_writes(tmp_path):
    texts: dict[Value, str] = {}
    for type_, value in made_up(EXAMPLES):
        text = json.dumps(TypeAdapter(type_).dump_python(value, mode="json", by_alias=True, warnings=False))
        for mode in ("serialization", "validation"):
            texts[Value(type_, mode)] = text
    types = Declarations(texts)
    lines = types.lines()
    for number, (value, text) in enumerate(texts.items()):
        lines.append(f"export const value{number}: {types.type_of(value)} = {text};")
    (tmp_path / "values.ts").write_text("\n".join(lines), encoding="utf-8")
    assert len(texts) >= EXAMPLES
    deno("check", "values.ts", cwd=tmp_path)
