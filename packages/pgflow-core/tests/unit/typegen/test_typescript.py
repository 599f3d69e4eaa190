"""Each keyword of JSON schema as TypeScript; also what pydantic never writes, but a user's own schema may."""

from __future__ import annotations

import pytest
from pgflow.typegen.declarations import _names
from pgflow.typegen.typescript import TypeWriter

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
COLOURS = {"enum": ["red", "blue"]}

ROWS = [
    (True, "unknown"),
    ({}, "unknown"),
    ({"description": "what it is"}, "unknown"),
    (False, "never"),
    (7, "unknown"),
    (TEXT, "string"),
    ({"type": "integer", "minimum": 3}, "number"),
    ({"type": "rumour"}, "unknown"),
    ({"type": ["string", "null"]}, "string | null"),
    ({"type": "string", "format": "date-time"}, "string"),
    ({"const": -1.5}, "-1.5"),
    ({"const": None}, "null"),
    ({"const": {"a b": [1, {}]}}, '{ "a b": [1, { }]; }'),
    ({"enum": ['"\n', 1, None, 1]}, '"\\"\\n" | 1 | null'),
    ({"enum": []}, "never"),
    ({"anyOf": [TEXT, NUMBER, TEXT]}, "string | number"),
    ({"oneOf": [TEXT, {"anyOf": [NUMBER, {"type": "null"}]}]}, "string | number | null"),
    ({"anyOf": [TEXT, {}]}, "unknown"),
    ({"allOf": [{"$ref": "#/$defs/Part"}]}, "Part"),
    ({"allOf": [{"$ref": "#/$defs/Part"}, {"anyOf": [TEXT, NUMBER]}]}, "(Part & (string | number))"),
    ({"$ref": "#/$defs/Part", "description": "one"}, "Part"),
    ({"$ref": "https://example.com/part"}, "unknown"),
    ({"type": "array"}, "unknown[]"),
    ({"type": "array", "items": {"anyOf": [TEXT, NUMBER]}}, "(string | number)[]"),
    ({"items": TEXT}, "string[]"),
    ({"prefixItems": [TEXT, NUMBER], "minItems": 2, "maxItems": 2}, "[string, number]"),
    ({"prefixItems": [TEXT, COLOURS], "minItems": 1, "items": False}, '[string, ("red" | "blue")?]'),
    ({"prefixItems": [TEXT], "minItems": 1, "items": NUMBER}, "[string, ...number[]]"),
    ({"prefixItems": [], "maxItems": 0}, "[]"),
    ({"type": "object"}, "{ [key: string]: unknown }"),
    ({"type": "object", "additionalProperties": False}, "{ [key: string]: never }"),
    ({"additionalProperties": NUMBER}, "{ [key: string]: number }"),
    ({"type": "object", "patternProperties": {"^x": NUMBER}}, "{ [key: string]: number }"),
    (
        {"type": "object", "patternProperties": {"^x": NUMBER}, "additionalProperties": TEXT},
        "{ [key: string]: number | string }",
    ),
    (
        {"type": "object", "propertyNames": COLOURS, "additionalProperties": TEXT},
        '{ [key in "red" | "blue"]?: string }',
    ),
    (
        {"type": "object", "propertyNames": {"$ref": "#/$defs/Colour"}, "additionalProperties": TEXT},
        '{ [key in "red" | "blue"]?: string }',
    ),
    ({"type": "object", "propertyNames": {"enum": [1]}}, "{ [key: string]: unknown }"),
    (
        {"properties": {"a": TEXT, "b-c": NUMBER, "class": TEXT}, "required": ["class"]},
        '{\n  a?: string;\n  "b-c"?: number;\n  class: string;\n}',
    ),
    (
        {"properties": {"a": TEXT}, "additionalProperties": NUMBER},
        "{\n  a?: string;\n  [key: string]: unknown;\n}",
    ),
    ({"properties": {"a": {"properties": {"b": TEXT}}}}, "{\n  a?: {\n    b?: string;\n  };\n}"),
]


@pytest.mark.parametrize(("schema", "written"), ROWS, ids=[row[1].replace("\n", "")[:50] for row in ROWS])
def test_a_schema_is_a_type(schema, written):
    writer = TypeWriter({"Part": {}, "Colour": COLOURS}, {"Part": "Part", "Colour": "Colour"})
    assert writer.write(schema) == written


def test_definitions_get_names_of_their_own_that_the_language_takes():
    expected = {
        "Part": "Part",
        "Part-Input": "PartInput",
        "PartInput": "PartInput2",
        "string": "string2",
        "Flows": "Flows2",
        "3D": "_3D",
        "Box_int_": "Box_int",
        "--": "Type",
        "Größe": "Größe",
    }
    assert _names(expected) == expected
