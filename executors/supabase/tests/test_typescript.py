"""The TypeScript package's own tests, under the real Deno and under Node."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from .tools import PACKAGE, deno, node, tsc

pytestmark = pytest.mark.slow

GATEWAY = Path(__file__).resolve().parents[1] / "src/pgflow_supabase/edge"
IMPORT = re.compile(r'(from "\.{1,2}/[^"]+)\.ts"')


def test_the_package_passes_its_tests_under_deno():
    assert "0 failed" in deno("test", "--no-check", "--allow-env", "tests")


def test_the_package_passes_its_tests_under_node(tmp_path):
    deno("transpile", "--no-check", *PACKAGE.glob("*/*.ts"), "--outdir", tmp_path)
    for script in list(tmp_path.rglob("*.js")):
        text = script.read_text(encoding="utf-8")
        script.write_text(IMPORT.sub(r'\1.js"', text), encoding="utf-8")
    shutil.copy(PACKAGE / "package.json", tmp_path)
    tests = sorted(tmp_path.rglob("*.test.js"))
    assert len(tests) == len(list(PACKAGE.glob("tests/*.test.ts")))
    assert re.search(r"# fail 0\b", node("--test", "--test-reporter=tap", *tests, cwd=tmp_path))


def test_the_package_and_the_gateway_are_formatted_and_typed():
    deno("fmt", "--check")
    deno("fmt", "--check", "--no-config", "--line-width", 110, *GATEWAY.glob("*.ts"))
    deno("check", "src/mod.ts")
    deno("check", "--no-config", *GATEWAY.glob("*.ts"))


def test_the_package_builds_with_strict_tsc(tmp_path):
    tsc("-p", ".", "--outDir", tmp_path)
    assert 'from "./handle.js"' in (tmp_path / "mod.js").read_text(encoding="utf-8")
