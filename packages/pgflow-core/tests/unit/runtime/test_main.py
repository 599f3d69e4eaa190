"""`python -m pgflow.runtime`: where the envelope comes from, and what is left of it."""

import io
import logging
import os
import signal
import subprocess
import sys

import pytest
from pgflow.errors import ConfigError, EnvelopeInvalid
from pgflow.runtime import Outcome, __main__

TOKEN = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TEXT = (
    '{"v":1,"run_id":"00000000-0000-0000-0000-000000000007","flow_slug":"f","flow_version":1,"step_slug":"s",'
    '"step_type":"single","task_index":0,"attempt":1,"handler":"m:f","params":null,"timeout_seconds":60,'
    '"heartbeat_timeout_seconds":null,"max_attempts":3,"failures":0,'
    '"launch_deadline":"2030-01-01T00:00:00+00:00","report":{"kind":"postgres"}}'
)


@pytest.fixture
def ran(monkeypatch):
    """Collect what would be run."""
    calls = []

    def run(envelope, **how):
        calls.append((envelope, how))
        return Outcome("completed", "")

    monkeypatch.setattr(__main__, "run_envelope", run)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    monkeypatch.setenv("PGFLOW_ATTEMPT_TOKEN", TOKEN)
    for name in (
        "PGFLOW_ENVELOPE",
        "PGFLOW_ENVELOPE_FILE",
        "PGFLOW_INSTANCE",
        "PGFLOW_HANDLERS",
        "PGFLOW_DSN",
    ):
        monkeypatch.delenv(f"PGFLOW_{name}", raising=False)
    return calls


@pytest.mark.parametrize("way", ["PGFLOW_ENVELOPE", "PGFLOW_ENVELOPE_FILE", "--envelope", "stdin"])
def test_the_envelope_comes_in_four_ways(ran, way, monkeypatch, tmp_path):
    file = tmp_path / "envelope.json"
    file.write_text(TEXT, encoding="utf-8")
    if way == "stdin":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    elif way != "--envelope":
        monkeypatch.setenv(way, TEXT if way == "PGFLOW_ENVELOPE" else str(file))
    __main__.main(["--envelope", str(file)] if way == "--envelope" else [])
    ((envelope, _),) = ran
    assert str(envelope.attempt_token) == TOKEN
    assert envelope.handler == "m:f"


def test_settings_come_from_the_environment_and_secrets_leave_it(ran, monkeypatch):
    monkeypatch.setenv("PGFLOW_ENVELOPE", TEXT)
    monkeypatch.setenv("PGFLOW_DSN", "postgresql://user:secret@host/db")
    monkeypatch.setenv("PGFLOW_INSTANCE", "pod-1")
    monkeypatch.setenv("PGFLOW_HANDLERS", "shop.*, mail:send")
    __main__.main([])
    ((_, how),) = ran
    assert how["dsn"] == "postgresql://user:secret@host/db"
    assert (how["instance_id"], how["handlers"]) == ("pod-1", ["shop.*", "mail:send"])
    assert not {"PGFLOW_ENVELOPE", "PGFLOW_ATTEMPT_TOKEN", "PGFLOW_DSN"} & set(os.environ)


def test_without_a_name_each_process_has_its_own(ran, monkeypatch):
    for _ in range(2):
        monkeypatch.setenv("PGFLOW_ENVELOPE", TEXT)
        monkeypatch.setenv("PGFLOW_ATTEMPT_TOKEN", TOKEN)
        __main__.main([])
    assert ran[0][1]["instance_id"] != ran[1][1]["instance_id"]
    assert ran[0][1]["handlers"] is None


def test_a_wrong_call_shows_the_usage(ran):
    with pytest.raises(ConfigError, match=r"usage: python -m pgflow\.runtime"):
        __main__.main(["--envelop", "x"])


def test_a_file_that_is_not_there_is_named(ran, tmp_path):
    with pytest.raises(EnvelopeInvalid, match="no-such-file"):
        __main__.main(["--envelope", str(tmp_path / "no-such-file")])


def test_without_a_readable_envelope_the_exit_code_is_2():
    command = [sys.executable, "-m", "pgflow.runtime"]
    done = subprocess.run(command, input="{}", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, 'error: the envelope has no "v": it is not one of PGFlow\n')
