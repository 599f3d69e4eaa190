"""The module of types that `pgflow typegen` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pgflow import Node, flow, step
from pgflow.errors import DefinitionError
from pgflow.typegen import typescript_module

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from orders import orders, parts, tick, ticking  # noqa: E402


@pytest.fixture(scope="module")
def written():
    return typescript_module([orders, ticking], "pgflow typegen")


def holds(written: str, text: str) -> bool:
    """Tell whether lines stand there one after another, whatever their indentation."""
    lines = [line.strip() for line in written.splitlines()]
    wanted = text.split("\n")
    return any(lines[start : start + len(wanted)] == wanted for start in range(len(lines)))


def test_the_head_says_how_to_write_it_again(written):
    assert written.startswith("// Written by `pgflow typegen`. Do not edit")
    assert written.endswith("};\n")


@pytest.mark.parametrize(
    "text",
    [
        'export type Colour = "red" | "blue";',
        "id: string;\nplacedAt: string;",
        "colour?: Colour | null;",
        'kind?: "gift" | 1 | true | null;',
        "export type Spot = [number, string?];",
        "size?: [number, string] | null;",
        "counts?: { [key: string]: number };",
        'by_colour?: { [key in "red" | "blue"]?: string };',
        "extra?: unknown;",
        "/**\n* By page,\n* as they came.\n*/",
        "notes?: { [key: string]: (Note | null)[] };",
        "text: string;\nby?: string;",
        r"/** A note, and who wrote it. *\/ alert(1) /* */",
        "odd_key: unknown;",
    ],
)
def test_types_are_written_as_their_json_is(written, text):
    assert holds(written, text), written


def test_what_python_writes_has_the_fields_that_were_left_at_their_defaults(written):
    assert holds(written, "name: string;\nparts: Part[];")


def test_what_starts_a_run_may_leave_out_what_has_a_default(written):
    assert holds(written, "spot: Spot;\nsize?: [number, string] | null;")


@pytest.mark.parametrize(
    "text",
    [
        "orders: {\ninput: Order;\noutput: {\nsend: Function;\nlog?: null;\n};",
        "parts: {\ninput: {\norder: Order;\n};\noutput: Part[];\n};",
        "weigh: {\ninput: {\npart: Part;\nfactor: number;\n};\noutput: Page_int | null;\n};",
        "order: Order;\nweights: (Page_int | null)[];\ngift?: Note | null;",
        "log: {\ninput: {\nunknown: unknown;\n};\noutput: null;\n};",
        "ticking: {\ninput: { [key: string]: never };\noutput: {\ntick: number;\n};",
    ],
)
def test_steps_take_and_give_what_their_handlers_say(written, text):
    assert holds(written, text), written


def test_the_same_flows_give_the_same_text(written):
    code = "from orders import *; from pgflow.typegen import typescript_module as t; "
    code += "print(t([orders, ticking], 'pgflow typegen'), end='')"
    again = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, check=True
    ).stdout
    assert again == written


def test_a_flow_that_is_named_twice_is_written_once(written):
    assert typescript_module([orders, ticking, orders], "pgflow typegen") == written


def test_two_flows_of_one_slug_are_refused():
    @flow(slug="ticking")
    def other() -> Node[int]:
        return step(tick)

    with pytest.raises(DefinitionError, match="two flows have this slug"):
        typescript_module([ticking, other], "x")


def test_an_input_without_a_type_is_unknown():
    @flow
    def loose(order: Node):
        step(parts, order)

    assert holds(typescript_module([loose], "x"), "loose: {\ninput: unknown;")
