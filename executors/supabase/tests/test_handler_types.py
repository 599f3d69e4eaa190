"""Handlers in TypeScript that fit the Python flow, and such that do not, before two real compilers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .tools import PACKAGE, deno, tsc

pytestmark = pytest.mark.slow

RIGHT = """
import { type FlowHandlers, type HandlersOf, serve } from "@pgflow/edge";
import type { Count, Flows, Text } from "./flows.ts";

serve<Flows>({
  words: {
    split: ({ source }) => source.text.split(" "),
    measure: async ({ word }, task) => ({ word, letters: word.length + task.index }),
    longest: ({ counts, source }) => source.language === "en" ? counts[0] ?? null : null,
    forget: () => {},
  },
});
serve<Flows>({ words: { measure: ({ word }): Count => ({ word, letters: 1 }) } });
const some: FlowHandlers<Flows> = { words: { forget: ({ source }: { source: Text }) => null } };
const steps: HandlersOf<Flows["words"]["steps"]> = { split: async () => [] };
serve<Flows>(some);
serve<Flows>({ words: steps });
serve({ words: steps, other: { anything: ({ n }: { n: number }, task) => n + task.attempt } });
"""

#: What a handler map says -> what a compiler has to say about it.
WRONG = {
    "{ measure: ({ word }) => word }": "Type 'string' is not assignable",
    "{ measure: ({ word }) => ({ word }) }": "Property 'letters' is missing",
    "{ measure: ({ word }) => ({ word, letters: String(word.length) }) }": "'string' is not assignable to",
    "{ measure: ({ wrod }) => ({ word: wrod, letters: 1 }) }": "Property 'wrod' does not exist",
    "{ measure: ({ word }: { word: number }) => ({ word: '', letters: word }) }": "'string' is not",
    "{ split: async ({ source }) => source.text }": "Type 'string' is not assignable",
    "{ split: ({ source }) => [source.language.length] }": "'number' is not assignable",
    "{ split: ({ source }) => source.txt.split(' ') }": "'txt' does not exist",
    "{ split: () => {} }": "Type 'void' is not assignable",
    "{ longest: ({ counts }) => counts }": "is not assignable to",
    "{ longest: ({ counts }) => counts[0].letters }": "is not assignable to",
    "{ forget: () => 1 }": "Type 'number' is not assignable",
    "{ spilt: () => [] }": "'spilt' does not exist",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the types, the right handlers, and a file for each wrong one."""
    folder = tmp_path_factory.mktemp("handlers")
    command = [sys.executable, "-m", "pgflow.cli", "typegen", "--lang", "typescript"]
    command += ["flows_of_words:words", "-o", str(folder / "flows.ts")]
    subprocess.run(command, cwd=Path(__file__).parent, check=True, capture_output=True)
    (folder / "right.ts").write_text(RIGHT)
    for number, steps in enumerate(WRONG):
        text = 'import { serve } from "@pgflow/edge";\nimport type { Flows } from "./flows.ts";\n'
        (folder / f"wrong_{number}.ts").write_text(f"{text}serve<Flows>({{ words: {steps} }});\n")
    (folder / "deno.json").write_text(json.dumps({"imports": {"@pgflow/edge": f"{PACKAGE}/src/mod.ts"}}))
    options = {
        "strict": True,
        "noEmit": True,
        "allowImportingTsExtensions": True,
        "module": "ESNext",
        "moduleResolution": "bundler",
        "target": "ES2022",
        "lib": ["ES2023", "DOM"],
        "types": [],
        "paths": {"@pgflow/edge": [f"{PACKAGE}/src/mod.ts"]},
    }
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))
    return folder


def errors_of(output: str) -> dict[str, str]:
    """Sort the errors of a compiler by the name of the file that they are in."""
    said: dict[str, str] = {}
    starts = r"\n(?=TS\d+ )|\n(?=\w+\.ts\()"
    for part in (each for each in re.split(starts, output) if re.search(r"TS\d+", each)):
        for name in set(re.findall(r"\b(?:right|wrong_\d+)\b", part)):
            said[name] = said.get(name, "") + part
    return said


def test_handlers_that_fit_pass(project):
    deno("check", "right.ts", cwd=project)


@pytest.mark.parametrize("compiler", ["deno", "tsc"])
def test_handlers_that_do_not_fit_fail(project, compiler):
    check = {
        "deno": (deno, "check", *sorted(project.glob("*.ts"))),
        "tsc": (tsc, "-p", ".", "--pretty", "false"),
    }
    program, *arguments = check[compiler]
    with pytest.raises(AssertionError) as failed:
        program(*arguments, cwd=project)
    said = errors_of(str(failed.value))
    expected = {f"wrong_{number}": text for number, text in enumerate(WRONG.values())}
    assert expected.keys() == said.keys()
    for name, text in expected.items():
        assert text in said[name], said[name]
