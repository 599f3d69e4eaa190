"""How reports travel: what the other side may do, by a real server."""

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from pgflow.envelope import ReportTarget
from pgflow.errors import ConfigError
from pgflow.reporters import Call, NotWanted, Refused, Unavailable, reporter_for

TOKEN = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
CALL = Call("complete", UUID(int=7), "step", 3, TOKEN, {"output": "1.10"})


@contextmanager
def serving(status=200, body=b'{"status": "completed"}', headers=()):
    """A server that answers each request alike; gives its URL and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, dict(self.headers), content.decode()))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **dict(headers)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


def made(url, kind="http", apikey=None, timeout=20.0):
    reporter = reporter_for(ReportTarget(kind, url, apikey))
    try:
        return reporter.call(CALL, timeout)
    finally:
        reporter.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_call_says_who_speaks_and_keeps_its_digits():
    with serving() as (url, asked):
        assert made(url + "/base") == {"status": '"completed"'}
    ((path, headers, body),) = asked
    assert path == "/base/v1/tasks/complete"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert json.loads(body) == {
        "run_id": str(CALL.run_id),
        "step_slug": "step",
        "task_index": 3,
        "output": 1.1,
    }
    assert '"output":1.10' in body
    assert str(TOKEN) not in body


@pytest.mark.parametrize(("apikey", "bearer"), [("publishable", None), ("a.b.c", "Bearer a.b.c")])
def test_a_key_of_a_gateway_goes_along(apikey, bearer):
    with serving(body=b'{"ordinal": 1, "status": "completed"}') as (url, asked):
        assert made(url, "postgrest", apikey)["status"] == '"completed"'
    ((path, headers, body),) = asked
    assert path == "/rpc/report_step_tasks"
    assert (headers["apikey"], headers.get("Authorization")) == (apikey, bearer)
    assert headers["Content-Profile"] == "pgflow"
    assert json.loads(body)["reports"][0]["outcome"] == "complete"


@pytest.mark.parametrize(
    ("said", "after"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)]
)
def test_a_busy_server_says_when_to_come_again(said, after):
    with (
        serving(503, headers={"Retry-After": said}.items()) as (url, _),
        pytest.raises(Unavailable) as caught,
    ):
        made(url)
    assert caught.value.retry_after == after


@pytest.mark.parametrize(
    ("status", "code", "expected", "kind"),
    [
        (401, "TOKEN_MISSING", NotWanted, None),
        (404, "UNKNOWN_TASK", NotWanted, None),
        (404, "NO_SUCH_PATH", Refused, "setup"),
        (409, "STALE", NotWanted, None),
        (413, "TOO_LARGE", Refused, "too_large"),
        (422, "OUTPUT_INVALID", Refused, "invalid"),
        (403, "", Refused, "setup"),
        (302, "", Refused, "setup"),
        (408, "BODY_TIMEOUT", Unavailable, None),
        (429, "", Unavailable, None),
        (502, "", Unavailable, None),
    ],
)
def test_a_status_is_understood(status, code, expected, kind):
    body = json.dumps({"code": code, "message": "why"}).encode()
    where = {"Location": "http://127.0.0.1:1/"}.items()
    with serving(status, body, where) as (url, asked), pytest.raises(expected) as caught:
        made(url)
    assert len(asked) == 1  # neither a retry nor a redirect
    assert getattr(caught.value, "kind", None) == kind
    assert str(TOKEN) not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b"[]", b"\xff"])
def test_what_is_no_answer_of_ours_may_be_one_later(body):
    with serving(body=body) as (url, _), pytest.raises(Unavailable, match="not one of the completion API"):
        made(url)


def test_nobody_there_or_nobody_speaking_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(Unavailable, match="does not answer: ReadTimeoutError"):
            made(url, timeout=0.2)
    with pytest.raises(Unavailable, match="does not answer: NewConnectionError"):
        made(url)
    with pytest.raises(Unavailable, match="does not answer"):
        made("http://no-such-host.invalid")


def test_a_proxy_of_the_environment_is_used_but_not_for_its_exceptions(monkeypatch):
    with serving() as (proxy, through), serving() as (url, direct):
        monkeypatch.setenv("http_proxy", proxy.replace("http://", "http://user:w%2Frd@"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        made(url)
        assert (len(through), len(direct)) == (0, 1)
        monkeypatch.setenv("no_proxy", "")
        made("http://flows.example.com")
        assert through[0][0] == "http://flows.example.com/v1/tasks/complete"
        assert through[0][1]["proxy-authorization"] == "Basic dXNlcjp3L3Jk"


def test_the_database_needs_a_dsn():
    with pytest.raises(ConfigError, match="PGFLOW_DSN is not set"):
        reporter_for(ReportTarget("postgres"))
