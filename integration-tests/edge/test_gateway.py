"""The gateway of `pgflow edge serve`: keys, statuses, limits, changed sources."""

from __future__ import annotations

import subprocess
import sys
import time

import httpx
import pytest

pytestmark = pytest.mark.slow

SECONDS = 60

FUNCTIONS = {
    "echo": "Deno.serve(async (request) => Response.json({ path: new URL(request.url).pathname, "
    'body: await request.text(), variable: Deno.env.get("GREETING") }))',
    "exported": 'export default { fetch: () => new Response("exported") }',
    "exits": "Deno.serve(() => Deno.exit(3))",
    "mute": "Deno.serve(() => new Promise(() => {}))",
    "spins": "Deno.serve(() => { while (true); })",
    "broken": 'throw new Error("no")',
    "hoards": "Deno.serve(() => { const all = []; while (true) all.push(new Array(100000).fill({})); })",
    "_shared": "",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FUNCTIONS.items():
        (tmp_path / "functions" / name).mkdir(parents=True)
        (tmp_path / "functions" / name / "index.ts").write_text(text)
    (tmp_path / "functions" / ".env").write_text('GREETING="hello"\n')
    return tmp_path / "functions"


@pytest.fixture
def post(serving, folder):
    gateway = serving(folder, "--key", "k", "--memory-mb", "64")
    with httpx.Client(base_url=f"{gateway.url}/functions/v1/", timeout=SECONDS, trust_env=False) as http:
        yield lambda name, key="k": http.post(name, content="body", headers={"apikey": key})


def test_a_function_gets_its_request(post):
    answer = {"path": "/echo/deeper", "body": "body", "variable": "hello"}
    assert post("echo/deeper?a=b").json() == answer
    assert post("exported").text == "exported"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("exits", 500, "WORKER_ERROR"),
        ("broken", 503, "BOOT_ERROR"),
        ("hoards", 546, "WORKER_RESOURCE_LIMIT"),
        ("none", 404, "NOT_FOUND"),
        ("_shared", 404, "NOT_FOUND"),
    ],
)
def test_what_the_platform_answers_in_its_place(post, name, status, code):
    answer = post(name)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["sb-error-code"] == code


@pytest.mark.parametrize(
    ("name", "limit", "status", "code"),
    [("mute", "--idle", 504, "IDLE_TIMEOUT"), ("spins", "--wall-clock", 546, "WORKER_RESOURCE_LIMIT")],
)
def test_what_never_answers_meets_a_limit(serving, folder, name, limit, status, code):
    gateway = serving(folder, limit, "2")
    answer = httpx.post(f"{gateway.url}/functions/v1/{name}", timeout=SECONDS, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_functions_have_the_secret_that_the_dispatcher_signs_with(serving, folder, tmp_path):
    (folder / "secret").mkdir()
    (folder / "secret" / "index.ts").write_text(
        'Deno.serve(() => new Response(Deno.env.get("PGFLOW_SIGNING_SECRET") ?? "none"))'
    )
    config = tmp_path / "pgflow.toml"
    table = '[executors.supabase]\nuse = "supabase"\nsigning_secret = "of the dispatcher"\n'
    config.write_text(table)

    def told():
        gateway = serving(folder, "--config", str(config))
        return httpx.post(f"{gateway.url}/functions/v1/secret", timeout=SECONDS, trust_env=False).text

    assert told() == "of the dispatcher"
    (folder / ".env").write_text("PGFLOW_SIGNING_SECRET=their own\n")
    assert told() == "their own"
    (folder / ".env").unlink()
    config.write_text(
        table + table.replace("[executors.supabase]", "[executors.other]").replace("of the", "of another")
    )
    assert told() == "none"


def test_a_wrong_key_is_refused(post):
    assert post("echo", "another").status_code == 401


def test_a_changed_source_is_served(post, folder):
    assert post("exported").text == "exported"
    (folder / "exported" / "index.ts").write_text("Deno.serve(() => new Response('anew'))")
    deadline = time.monotonic() + SECONDS
    while post("exported").text != "anew":
        assert time.monotonic() < deadline


def test_a_folder_that_is_not_there_is_an_error():
    command = [sys.executable, "-m", "pgflow.cli", "edge", "serve", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert "Directory 'nowhere' does not exist" in done.stderr
