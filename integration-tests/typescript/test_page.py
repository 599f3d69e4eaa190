"""`createWorker` in a page of a real browser."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from collections.abc import Iterator

import pytest
from pulled_flows import holding

from ..api.test_javascript_worker import QuietHandler, chromium
from .conftest import SECONDS

pytestmark = pytest.mark.slow


@pytest.fixture
def origin(node_project) -> Iterator[str]:
    """The folder with the page and the package, on an origin of its own."""
    handler = functools.partial(QuietHandler, directory=str(node_project))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_that_is_left_hands_its_task_back_to_the_next_one(
    origin, serve, client, key, pgflow_connection
):
    url = f"http://127.0.0.1:{serve(cors_origins=[origin]).port}"
    run = client.start(holding, None)
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{origin}/page.html?url={url}&does=hold#{key}")
        page.get_by_text("holding").wait_for(timeout=1000 * SECONDS)
        page.goto("about:blank")
        deadline = time.monotonic() + SECONDS
        query = "select outcome from pgflow.step_task_attempts"
        while (ended := pgflow_connection.execute(query).fetchone()) is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert ended["outcome"] == "released"
        page.goto(f"{origin}/page.html?url={url}&does=end#{key}")
        assert run.result(SECONDS) == "held"
