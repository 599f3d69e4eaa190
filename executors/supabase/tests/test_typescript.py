"""The TypeScript package's own tests, under the real Deno and under Node."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from .tools import PACKAGE, deno, node, npm, tsc

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
    deno("check", *PACKAGE.glob("src/*.ts"), *PACKAGE.glob("tests/*.ts"))
    deno("check", "--no-config", *GATEWAY.glob("*.ts"))


IMPORTS = """
import { handle, NonRetryable, sign } from "@pgflow/edge";
import { createClient, RequestRefused } from "@pgflow/edge/client";
import { createWorker, WorkerRefused } from "@pgflow/edge/worker";

const response = await handle(new Request("http://x/"), {});
const url = "http://127.0.0.1:9/";
const worker = createWorker({ url, key: "k", executor: "e", handlers: {} });
await worker.stop();
createClient({ url });
const names = [NonRetryable, sign, RequestRefused, WorkerRefused].map((each) => each.name);
console.log(response.status, names.join());
"""

TYPED = """
import { serve } from "@pgflow/edge";
import { createClient } from "@pgflow/edge/client";
import { createWorker } from "@pgflow/edge/worker";

type Steps = { s: { input: { n: number }; output: string } };
type Flows = { f: { input: { n: number }; output: { s: string }; steps: Steps } };
const handlers = { f: { s: ({ n }: { n: number }) => String(n) } };
export const start = () => serve<Flows>(handlers);
export const work = () => createWorker<Flows>({ url: "", key: "", executor: "", handlers }).run();
export async function last(id: string): Promise<string | null> {
  const client = createClient<Flows>({ url: "" });
  await client.startFlow("f", { n: 1 });
  // @ts-expect-error a text is no number
  await client.startFlow("f", { n: "1" });
  // @ts-expect-error there is no such flow
  await client.startFlow("g", { n: 1 });
  const run = await client.getRun(id);
  // @ts-expect-error a run that has not completed has no output
  run.output.s;
  return run.status === "completed" ? run.output.s : null;
}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A project with the package in it, built by strict `tsc`, packed and installed by npm."""
    copy, project = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("project")
    shutil.copytree(PACKAGE, copy, dirs_exist_ok=True)
    tsc("-p", ".", cwd=copy)
    npm("pack", "--ignore-scripts", "--pack-destination", project, cwd=copy)
    (archive,) = project.glob("pgflow-edge-*.tgz")
    (project / "package.json").write_text('{ "private": true, "type": "module" }')
    npm("install", archive, cwd=project)
    return project


def test_what_npm_packs_can_be_imported(installed):
    (installed / "main.js").write_text(IMPORTS)
    assert node("main.js", cwd=installed) == "405 NonRetryable,sign,RequestRefused,WorkerRefused\n"


def test_what_npm_packs_has_its_types(installed):
    (installed / "typed.ts").write_text(TYPED)
    tsc("--strict", "--noEmit", "--target", "es2022", "--module", "NodeNext", "typed.ts", cwd=installed)
