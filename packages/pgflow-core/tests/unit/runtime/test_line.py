"""Invocations of one warm process share a connection, as long as it may be alive."""

import json
import socket
import threading
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from pgflow.envelope import Envelope, ReportTarget
from pgflow.runtime import line
from pgflow.runtime.aws_lambda import lambda_handler

ANSWERS = {
    "start": {"status": "started", "input": {"run": [1]}, "lease_expires_at": "2030-01-01T00:00:00+00:00"},
    "complete": {"status": "completed"},
}


class Api(ThreadingHTTPServer):
    """Answers as the completion API does, and keeps its connections to end them."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.connections = []
        self.verbs = []
        self.deaf = 0
        """Requests that are read and not answered: their connection ends."""

    def process_request(self, request, client_address):
        self.connections.append(request)
        super().process_request(request, client_address)

    @property
    def target(self):
        return ReportTarget("http", f"http://127.0.0.1:{self.server_address[1]}/")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        verb = self.path.rpartition("/")[2]
        self.server.verbs.append(verb)
        if self.server.deaf:
            self.server.deaf -= 1
            self.close_connection = True
            return
        body = json.dumps(ANSWERS[verb]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def api(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def invoke(api):
    """Run one attempt in this process, as a warm function does: `invoke()`; gives the kind of its outcome."""
    handler = lambda_handler(json)
    context = SimpleNamespace(aws_request_id="id", get_remaining_time_in_millis=lambda: 60_000)

    def run(**changes):
        return handler(json.loads(replace(envelope(api.target), **changes).to_json()), context)["kind"]

    return run


def envelope(report):
    return Envelope(
        run_id=uuid.uuid4(),
        flow_slug="flow",
        flow_version=1,
        step_slug="step",
        step_type="single",
        task_index=0,
        attempt=1,
        attempt_token=uuid.uuid4(),
        handler="json:dumps",
        params='{"obj": "run"}',
        timeout_seconds=60,
        heartbeat_timeout_seconds=None,
        max_attempts=3,
        failures=0,
        launch_deadline=datetime.now(UTC) + timedelta(seconds=60),
        report=report,
    )


def test_one_connection_serves_invocation_after_invocation(api, invoke):
    assert [invoke() for _ in range(3)] == ["completed"] * 3
    assert (api.verbs, len(api.connections)) == (["start", "complete"] * 3, 1)


def test_a_connection_that_was_ended_meanwhile_is_replaced(api, invoke):
    invoke()
    api.connections[0].shutdown(socket.SHUT_RDWR)
    assert invoke() == "completed"
    assert (api.verbs, len(api.connections)) == (["start", "complete"] * 2, 2)


def test_a_connection_that_ends_at_the_first_call_costs_one_repetition(api, invoke):
    invoke()
    api.deaf = 1
    assert invoke() == "completed"
    assert (api.verbs[2:], len(api.connections)) == (["start", "start", "complete"], 2)


@pytest.mark.parametrize("seconds", [51, -1])
def test_one_that_said_nothing_for_long_is_not_believed_in(api, invoke, monkeypatch, seconds):
    invoke()
    now = time.time()
    monkeypatch.setattr(line, "time", SimpleNamespace(time=lambda: now + seconds))
    assert invoke() == "completed"
    assert len(api.connections) == 2


def test_an_attempt_that_reports_elsewhere_has_a_connection_of_its_own(api, invoke):
    invoke()
    elsewhere = ReportTarget("http", api.target.url.replace("127.0.0.1", "localhost"))
    assert invoke(report=elsewhere) == "completed"
    assert len(api.connections) == 2


def test_after_an_error_nothing_is_kept(api):
    kept = line.Line(dsn=None)
    with pytest.raises(ZeroDivisionError), kept.to(api.target) as first:
        raise ZeroDivisionError
    with kept.to(api.target) as second:
        assert second is not first
    with kept.to(api.target) as third:
        assert third is second
