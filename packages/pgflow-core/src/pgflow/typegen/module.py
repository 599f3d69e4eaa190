"""A TypeScript module with the types of some flows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pgflow.dsl import Flow
from pgflow.errors import DefinitionError
from pgflow.typegen.declarations import FLOWS, Declarations
from pgflow.typegen.shapes import FlowShape, shape_of

__all__ = ["typescript_module"]


def typescript_module(flows: Iterable[Flow[Any, Any]], command: str) -> str:
    """Return the types of flows, by slug, as a module whose head names the command that wrote it.

    The same flows give the same text.  Raises DefinitionError as `Flow.definition` does, and for two flows of
    one slug.
    """
    shapes = [shape_of(flow) for flow in dict.fromkeys(flows)]
    if double := [slug for slug, count in Counter(shape.slug for shape in shapes).items() if count > 1]:
        raise DefinitionError("two flows have this slug: write their types into two files", flow=double[0])
    types = Declarations(value for shape in shapes for value in shape.values())
    lines = [
        f"// Written by `{command}`. Do not edit: change the flow in Python, and run it again.",
        "// deno-fmt-ignore-file",
        "// deno-lint-ignore-file",
        "/* eslint-disable */",
        "",
        *types.lines(),
        "/** The flows by slug: what starts a run, what it ends with, what each step takes and gives. */",
        f"export type {FLOWS} = {{",
        *(f"  {shape.slug}: {_flow(shape, types)};" for shape in shapes),
        "};",
        "",
    ]
    return "\n".join(lines)


def _flow(shape: FlowShape, types: Declarations) -> str:
    taken = types.object_of({}) if shape.input is None else types.type_of(shape.input, "    ")
    lines = [
        "{",
        f"    input: {taken};",
        f"    output: {types.object_of(shape.outputs, '    ')};",
        "    steps: {",
    ]
    for slug, step in shape.steps.items():
        lines += [
            f"      {slug}: {{",
            f"        input: {types.object_of(step.parameters, '        ')};",
            f"        output: {types.type_of(step.result, '        ')};",
            "      };",
        ]
    return "\n".join([*lines, "    };", "  }"])
