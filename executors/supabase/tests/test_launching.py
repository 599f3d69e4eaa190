"""What a launch sends, and what each answer means: row by row against a real server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import socket
import time
from datetime import timedelta

import pytest
from pgflow.envelope import Envelope, ReportTarget
from pgflow.errors import ConfigError, DefinitionError
from pgflow.executor import Accepted, HandleRef, Phase, Rejected, Unknown
from pgflow_supabase import Edge
from pgflow_supabase.executor import SupabaseExecutor
from pgflow_supabase.plugin import pgflow_register_executors
from pgflow_supabase.signature import sign
from pgflow_testing.answering import response
from pgflow_testing.executor_suite import make_attempt

from .support import KEY, SECRET, TOKEN, accept

ATTEMPT = "pgf-0123456789-1"


async def test_an_accepted_launch_sends_one_signed_envelope(server, launch):
    result = await launch(region="eu-west-3")
    assert result == Accepted({"v": 1, "instance": "i"})
    (asked,) = server.asked
    assert asked.line == "POST /functions/v1/images HTTP/1.1"
    assert asked.headers["host"] == server.url.removeprefix("http://")
    assert asked.headers["x-pgflow-attempt"] == ATTEMPT
    assert asked.headers["x-region"] == "eu-west-3"
    assert asked.headers["apikey"] == KEY
    assert "authorization" not in asked.headers
    version, moment, given = asked.headers["x-pgflow-signature"].split(",")
    text = f"v1|{moment[2:]}|POST|/images|{hashlib.sha256(asked.body).hexdigest()}|{ATTEMPT}"
    assert (version, given) == ("v1", hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest())
    envelope = Envelope.parse(asked.body.decode())
    assert (envelope.attempt_token, envelope.report.url) == (TOKEN, "https://flows.example.com/")
    assert envelope.input is None


def test_the_signature_is_the_one_that_the_typescript_tests_verify():
    golden = "v1,t=1800000000,9e142d8d5d406998e8555a4ec18434f97af5e9032cb6f3576de76a5909dc5c61"
    assert sign("golden secret", 1_800_000_000, "/images", b'{"v": 1}', "pgf-1") == golden


async def test_a_legacy_key_is_the_bearer_too(server, launch):
    await launch(key="a.b.c", key_kind="legacy_jwt")
    assert server.asked[0].headers["apikey"] == "a.b.c"
    assert server.asked[0].headers["authorization"] == "Bearer a.b.c"


async def test_a_step_may_choose_its_region_and_no_key_is_sent_where_there_is_none(server, launch):
    await launch(options={"function": "images", "region": "us-east-1"}, region="eu-west-3", key=None)
    assert server.asked[0].headers["x-region"] == "us-east-1"
    assert not {"apikey", "authorization"} & server.asked[0].headers.keys()


ROWS = [
    (response(200, {"accepted": ATTEMPT}), Accepted, None),
    (response(202, {"accepted": "another"}), Rejected, "permanent"),
    (response(200, {"hello": "world"}), Rejected, "permanent"),
    (response(202, b"[" * 30_000), Rejected, "permanent"),
    (response(200, b"x" * 200_000), Rejected, "permanent"),
    (response(301, location="https://elsewhere.example.com/"), Rejected, "permanent"),
    (response(307, location="https://elsewhere.example.com/"), Rejected, "permanent"),
    (response(400, {"message": "bad"}), Rejected, "permanent"),
    (response(401, {"code": "SIGNATURE_WRONG"}), Rejected, "operator"),
    (response(401, {"msg": "Invalid JWT"}), Rejected, "operator"),
    (response(403), Rejected, "operator"),
    (response(404), Rejected, "transient"),
    (response(405), Rejected, "permanent"),
    (response(413), Rejected, "permanent"),
    (response(422, {"code": "ENVELOPE_INVALID"}), Rejected, "permanent"),
    (response(422, {"code": "HANDLER_MISSING"}), Rejected, "transient"),
    (response(429), Rejected, "throttled"),
    (response(500, sb_error_code="WORKER_ERROR"), Unknown, None),
    (response(502), Unknown, None),
    (response(503, {"code": "BOOT_ERROR"}), Rejected, "transient"),
    (response(503, {"code": "WORKER_ERROR"}), Unknown, None),
    (response(504, {"code": "IDLE_TIMEOUT"}), Unknown, None),
    (response(546, {"code": "WORKER_RESOURCE_LIMIT"}), Unknown, None),
    (b"HTTP/1.1 202 X\r\ncontent-length: 100\r\n\r\n{", Unknown, None),
    (b"", Unknown, None),
    (b"SSH-2.0-OpenSSH\r\n", Unknown, None),
]


@pytest.mark.parametrize(
    ("answer", "outcome", "kind"), ROWS, ids=[f"{row[0][:60]!r}-{number}" for number, row in enumerate(ROWS)]
)
async def test_every_answer_means_one_thing_and_is_asked_for_once(server, launch, answer, outcome, kind):
    server.answer = lambda _: answer
    result = await launch()
    assert isinstance(result, outcome)
    assert getattr(result, "kind", None) == kind
    assert len(server.asked) == 1


@pytest.mark.parametrize(("text", "seconds"), [("7", 7), ("999999", 3600), ("soon", None), ("", None)])
async def test_retry_after_is_passed_on(server, launch, text, seconds):
    server.answer = lambda _: response(429, retry_after=text)
    result = await launch()
    assert result.retry_after == (None if seconds is None else timedelta(seconds=seconds))


async def test_what_is_being_deployed_is_launched_again_for_a_minute(server, launch):
    server.answer = lambda _: response(404, {"message": "Requested function was not found"})
    result = await launch()
    assert 4 * result.retry_after >= timedelta(seconds=60)  # the fifth failed launch fails the task
    assert "Requested function was not found" in result.reason


async def test_silence_is_unknown(server, launch):
    server.answer = lambda _: None
    assert isinstance(await launch(response_timeout=1), Unknown)
    async with asyncio.timeout(60):
        while not server.asked:  # noqa: ASYNC110  a server in a thread tells nobody
            await asyncio.sleep(0.01)
    assert len(server.asked) == 1


async def test_an_answer_that_drips_does_not_hold_the_launch(server, launch):
    def drip(_):
        yield b"HTTP/1.1 202 X\r\n\r\n"
        while True:
            time.sleep(0.05)  # less than the time-out of a read
            yield b"x"

    server.answer = drip
    result = await launch(response_timeout=1)
    assert result == Unknown("no answer: TimeoutError")


async def test_nobody_listening_is_a_launch_that_never_was(launch):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    result = await launch(url=f"http://127.0.0.1:{port}")
    assert (result.kind, "nothing was sent" in result.reason) == ("transient", True)


async def test_a_name_that_nobody_knows_is_a_launch_that_never_was(launch):
    result = await launch(url="https://project.invalid")
    assert result.kind == "transient"


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "0.0.0.0", "100.100.100.200"]
)
async def test_addresses_that_no_project_has_are_refused(launch, address):
    result = await launch(url=f"http://{address}", allow_insecure=True)
    assert (result.kind, "no address of a project" in result.reason) == ("operator", True)


async def test_secrets_stand_in_no_log_reason_or_repr(server, launch, instance, caplog):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda asked: response(401, asked.headers["apikey"].encode() + b"\n\x1b[31m")
    result = await launch()
    assert "\x1b" not in result.reason
    server.answer = accept
    accepted = await launch()
    told = f"{caplog.text} {instance().settings!r} {accepted!r}"
    for secret in (SECRET, KEY, str(TOKEN)):
        assert secret not in told


async def test_an_executor_that_does_not_run_launches_nothing():
    executor = SupabaseExecutor()
    assert executor.capacity == 0
    result = await executor.launch(make_attempt(SupabaseExecutor.StepOptions(function="f")))
    assert result.kind == "transient"
    await executor.aclose()


async def test_the_platform_tells_and_stops_nothing():
    ref = HandleRef(make_attempt(None).run_id, "resize", 0, 1, ATTEMPT)
    executor = SupabaseExecutor()
    assert [seen.phase for seen in await executor.observe([ref, ref])] == [Phase.UNKNOWN] * 2
    await executor.cancel(ref, timedelta())
    await executor.cancel(ref, timedelta())


BAD_SETTINGS = [
    ({"url": "ftp://x"}, "must be a url such as"),
    ({"url": "https://user:pass@x.supabase.co"}, "must have no user"),
    ({"url": "http://x.supabase.co"}, "allow_insecure"),
    ({"signing_secret": "short"}, "openssl rand"),
    ({"signing_secret": None}, "`signing_secret` is missing"),
    ({"key": "a.b.c"}, "legacy_jwt"),
    ({"key_kind": "legacy_jwt"}, "key is no JWT"),
    ({"region": "EU"}, "`region` is wrong"),
    ({"conect_timeout": 3}, "did you mean `connect_timeout`"),
]


@pytest.mark.parametrize(("settings", "said"), BAD_SETTINGS)
def test_settings_that_cannot_work_are_refused(instance, settings, said):
    with pytest.raises(ConfigError, match=said) as refused:
        instance(**settings)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("target", [None, ReportTarget("postgres")])
async def test_a_target_that_functions_cannot_reach_is_refused(launch, target):
    with pytest.raises(ConfigError, match="set public_url"):
        await launch(report_to=target)


@pytest.mark.parametrize(
    "address", ["10.0.0.7", "192.168.1.1", "127.0.0.1", "::1", "fd00::7", "::ffff:10.0.0.7"]
)
async def test_a_name_that_leads_to_a_private_address_is_refused_unless_that_is_allowed(
    server, launch, monkeypatch, address
):
    port = int(server.url.rpartition(":")[2])
    here = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(*here[0][:4], (address, port))])
    url = f"http://x.supabase.co:{port}"
    result = await launch(url=url, allow_insecure=True)
    assert (result.kind, "allow_private" in result.reason) == ("operator", True)
    assert server.asked == []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: here)
    assert isinstance(await launch(url=url, allow_insecure=True, allow_private=True), Accepted)
    assert server.asked[0].headers["host"] == f"x.supabase.co:{port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed_wherever_it_leads(server, launch, status):
    server.answer = lambda _: response(status, location=f"{server.url}/functions/v1/another")
    result = await launch()
    assert (result.kind, "redirects are not followed" in result.reason) == ("permanent", True)
    assert [asked.line for asked in server.asked] == ["POST /functions/v1/images HTTP/1.1"]


@pytest.mark.parametrize(
    "function",
    ["", ".", "..", "../secrets", "a/b", "a.b", "a%2fb", "a?b", "a#b", "a@b", "a b", "x" * 65, "ä", "a\n"],
)
def test_names_that_no_function_has_are_refused(instance, function):
    with pytest.raises(DefinitionError, match="function"):
        instance().step_options({"function": function})


def test_a_flow_names_its_function():
    assert Edge("images").executor_options() == {"function": "images"}
    assert (
        Edge("images", region="eu-west-3", executor_name="edge").executor_options()["region"] == "eu-west-3"
    )
    assert Edge("images").executor_name == "supabase"
    assert pgflow_register_executors() == [SupabaseExecutor]
