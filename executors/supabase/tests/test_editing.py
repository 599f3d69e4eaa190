"""What plugins may change of a call, and what they may not."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from pgflow.executor import Accepted, Rejected

from .support import KEY, SECRET


async def test_plugins_send_a_call_elsewhere_and_add_headers(server, launch):
    shown = []

    def edited(attempt, body):
        shown.append((attempt.step_slug, dict(body)))
        return {**body, "function": "thumbs", "region": "us-east-1", "headers": {"Traceparent": "00-1-2-03"}}

    options = {"function": "images", "region": "eu-west-3"}
    assert isinstance(await launch(options=options, edited=edited), Accepted)
    assert shown == [("resize", {"function": "images", "region": "eu-west-3", "headers": {}})]
    (asked,) = server.asked
    assert asked.line == "POST /functions/v1/thumbs HTTP/1.1"
    assert (asked.headers["x-region"], asked.headers["traceparent"]) == ("us-east-1", "00-1-2-03")
    _, moment, given = asked.headers["x-pgflow-signature"].split(",")
    name = asked.headers["x-pgflow-attempt"]
    text = f"v1|{moment[2:]}|POST|/thumbs|{hashlib.sha256(asked.body).hexdigest()}|{name}"
    assert given == hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()


async def test_what_says_who_calls_stays(server, launch):
    ours = ("apikey", "Authorization", "Content-Type", "Content-Length", "X-PGFlow-Attempt", "Host", "Prefer")

    def edited(_, body):
        return {**body, "headers": dict.fromkeys(ours, "7")}

    await launch(edited=edited, key="a.b.c", key_kind="legacy_jwt")
    (asked,) = server.asked
    assert asked.headers["apikey"] == "a.b.c"
    assert asked.headers["authorization"] == "Bearer a.b.c"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-pgflow-attempt"] == "pgf-0123456789-1"
    assert asked.headers["host"] == server.url.removeprefix("http://")
    assert "prefer" not in asked.headers


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"function": "../auth/v1/admin"}, "function"),
        ({"region": "moon"}, "region"),
        ({"headers": {"x": "1\r\napikey: 2"}}, "headers.x"),
        ({"headers": {"x y": "1"}}, "headers"),
        ({"url": "https://elsewhere.example"}, "url"),
    ],
)
async def test_what_cannot_be_sent_fails_the_task(server, launch, change, named):
    result = await launch(edited=lambda _, body: {**body, **change})
    assert isinstance(result, Rejected)
    assert (result.kind, server.asked) == ("permanent", [])
    assert named in result.reason
    assert KEY not in result.reason
