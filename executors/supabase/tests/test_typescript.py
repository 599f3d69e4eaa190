"""The TypeScript package's own tests, under the real Deno and under Node."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pgflow_supabase.serving import find_deno

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).resolve().parents[1] / "typescript"
GATEWAY = Path(__file__).resolve().parents[1] / "src/pgflow_supabase/edge"
SECONDS = 240
IMPORT = re.compile(r'(from "\.{1,2}/[^"]+)\.ts"')


def run(*command: object, cwd: Path = PACKAGE) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def deno(*arguments: object, cwd: Path = PACKAGE) -> str:
    return run(find_deno(), *arguments, cwd=cwd)


def test_the_package_passes_its_tests_under_deno():
    assert "0 failed" in deno("test", "--no-check", "--allow-env", "tests")


def test_the_package_passes_its_tests_under_node(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js on the PATH")
    deno("transpile", "--no-check", *PACKAGE.glob("*/*.ts"), "--outdir", tmp_path)
    for script in list(tmp_path.rglob("*.js")):
        text = script.read_text(encoding="utf-8")
        script.write_text(IMPORT.sub(r'\1.js"', text), encoding="utf-8")
    shutil.copy(PACKAGE / "package.json", tmp_path)
    tests = sorted(tmp_path.rglob("*.test.js"))
    assert len(tests) == len(list(PACKAGE.glob("tests/*.test.ts")))
    assert re.search(r"# fail 0\b", run(node, "--test", "--test-reporter=tap", *tests, cwd=tmp_path))


def test_the_package_and_the_gateway_are_formatted_and_typed():
    deno("fmt", "--check")
    deno("fmt", "--check", "--no-config", "--line-width", 110, *GATEWAY.glob("*.ts"))
    deno("check", "src/mod.ts")
    deno("check", "--no-config", *GATEWAY.glob("*.ts"))


HANDLERS = """
import {{ type HandlersOf, serve }} from "@pgflow/edge";

type Tally = {{
  split: {{ input: {{ text: string }}; output: string[] }};
  measure: {{ input: {{ word: string }}; output: number }};
}};
const tally: HandlersOf<Tally> = {{ measure: ({{ word }}, task) => {result} }};
serve({{ tally }});
"""


@pytest.mark.parametrize(("result", "is_right"), [("word.length + task.index", True), ("word", False)])
def test_a_handler_of_the_wrong_type_does_not_pass_the_check(tmp_path, result, is_right):
    (tmp_path / "deno.json").write_text(f'{{"imports": {{"@pgflow/edge": "{PACKAGE}/src/mod.ts"}}}}')
    (tmp_path / "index.ts").write_text(HANDLERS.format(result=result))
    if is_right:
        deno("check", "index.ts", cwd=tmp_path)
    else:
        with pytest.raises(AssertionError, match="'string' is not assignable to type 'number"):
            deno("check", "index.ts", cwd=tmp_path)


def test_the_package_builds_with_strict_tsc(tmp_path):
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm on the PATH to fetch TypeScript with")
    run(npm, "install", "--silent", "--no-audit", "--prefix", tmp_path, "typescript@5", cwd=tmp_path)
    build = tmp_path / "dist"
    run(shutil.which("node"), tmp_path / "node_modules/typescript/bin/tsc", "-p", ".", "--outDir", build)
    assert 'from "./handle.js"' in (build / "mod.js").read_text(encoding="utf-8")
