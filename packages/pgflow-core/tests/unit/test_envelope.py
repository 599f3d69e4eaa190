"""The envelope of an attempt: there and back, what it hides, and what it refuses."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pgflow.envelope import Envelope, ReportTarget
from pgflow.errors import EnvelopeInvalid
from pgflow.executor import Attempt
from pydantic import BaseModel

TOKEN = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
HTTP = ReportTarget("http", "https://flows.example.com/base")
DEADLINE = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Options(BaseModel):
    pass


def attempt(**changed):
    fields = {
        "run_id": UUID(int=7),
        "flow_slug": "digest",
        "flow_version": 3,
        "step_slug": "scrape",
        "step_type": "single",
        "task_index": 0,
        "attempt": 2,
        "attempt_token": TOKEN,
        "handler": "pages:scrape",
        "params": '{"price":{"const":1.10}}',
        "input": '{"run":{"n":1.50}}',
        "options": Options(),
        "timeout": timedelta(minutes=1),
        "heartbeat_timeout": timedelta(seconds=1.5),
        "max_attempts": 3,
        "failures": 1,
        "external_id": "x",
        "lease_expires_at": DEADLINE,
    }
    return Attempt(**{**fields, **changed})


def document(**changed):
    """An envelope as decoded JSON; a value of ... leaves the key out."""
    whole = {**json.loads(Envelope.of(attempt(), HTTP, inline_input=True).to_json()), **changed}
    return json.dumps({key: value for key, value in whole.items() if value is not ...})


def test_an_envelope_survives_its_way():
    sent = Envelope.of(attempt(), HTTP, inline_input=True)
    assert Envelope.parse(sent.to_json()) == sent
    assert sent.launch_deadline == DEADLINE
    assert (sent.timeout_seconds, sent.heartbeat_timeout_seconds) == (60.0, 1.5)


def test_texts_pass_as_they_are():
    read = Envelope.parse(Envelope.of(attempt(), HTTP, inline_input=True).to_json())
    assert (read.params, read.input) == ('{"price":{"const":1.10}}', '{"run":{"n":1.50}}')


def test_the_input_goes_along_only_when_asked():
    sent = Envelope.of(attempt(params=None, heartbeat_timeout=None), HTTP, inline_input=False)
    assert "input" not in json.loads(sent.to_json())
    assert Envelope.parse(sent.to_json()) == sent
    assert (sent.params, sent.heartbeat_timeout_seconds, sent.input) == (None, None, None)
    with pytest.raises(ValueError, match="claimed without its input"):
        Envelope.of(attempt(input=None), HTTP, inline_input=True)


def test_the_token_may_travel_apart():
    sent = Envelope.of(attempt(), HTTP, inline_input=False)
    text = sent.to_json(with_token=False)
    assert str(TOKEN) not in text
    assert Envelope.parse(text, attempt_token=str(TOKEN)) == sent
    with pytest.raises(EnvelopeInvalid, match="PGFLOW_ATTEMPT_TOKEN"):
        Envelope.parse(text)


def test_a_key_of_a_later_version_is_ignored():
    assert Envelope.parse(document(colour="red")) == Envelope.parse(document())


def test_repr_shows_no_secret():
    target = ReportTarget("postgrest", "https://x.supabase.co/rest/v1", "apikey-of-the-gateway")
    shown = repr(Envelope.of(attempt(input='{"run":"private"}'), target, inline_input=True))
    assert "scrape" in shown
    for secret in (str(TOKEN), TOKEN.hex, "private", "apikey-of-the-gateway"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("[]", "not a JSON object"),
        (document(v=...), 'has no "v"'),
        (document(v=2), "of version 2, and this runtime reads version 1"),
        (document(run_id=...), 'lacks "run_id"'),
        (document(run_id="seven"), '"run_id" of the envelope: must be a UUID'),
        (document(attempt_token="t"), '"attempt_token" of the envelope: must be a UUID'),
        (document(flow_slug=""), '"flow_slug" of the envelope: must be text'),
        (document(attempt=True), '"attempt" of the envelope: must be a whole number'),
        (document(task_index=1.5), '"task_index" of the envelope: must be a whole number'),
        (document(step_type="both"), 'must be "single" or "map"'),
        (document(timeout_seconds=0), "seconds greater than 0"),
        (document(heartbeat_timeout_seconds="1"), "seconds greater than 0"),
        (document(params=[1]), '"params" of the envelope: must be an object'),
        (document(launch_deadline="soon"), "ISO 8601"),
        (document(launch_deadline="2030-01-01T00:00:00"), "time zone"),
        (document(report="http://x"), 'must be an object with a "kind"'),
        (document(report={"kind": "smtp"}), "http, postgrest or postgres"),
        (document(report={"kind": "http"}), "needs a url"),
        (document(report={"kind": "http", "url": "ftp://x/"}), "needs a url"),
        (document(report={"kind": "http", "url": "https://user:secret@x/"}), "no user, password"),
        (document(report={"kind": "postgres", "url": "postgres://x"}), "PGFLOW_DSN"),
        (document(report={"kind": "http", "url": "https://x", "apikey": "k"}), "goes with kind postgrest"),
    ],
)
def test_what_cannot_be_read_is_named(text, said):
    with pytest.raises(EnvelopeInvalid, match=said) as caught:
        Envelope.parse(text)
    assert str(TOKEN) not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_url_ends_in_a_slash():
    assert HTTP.url == "https://flows.example.com/base/"
    assert ReportTarget("http", "http://127.0.0.1:8080/").url == "http://127.0.0.1:8080/"
