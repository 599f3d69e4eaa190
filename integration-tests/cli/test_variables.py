"""A mistyped variable is told once, where people and logs look, and stops nothing."""

import json
import os

import pytest

from .conftest import ONE_STEP

SAID = "environment variable PGFLOW_LOGS is ignored, nothing of PGFlow reads it; did you mean PGFLOW_FLOWS?"


@pytest.fixture
def mistyped(project, database, monkeypatch):
    monkeypatch.setenv("PGFLOW_LOGS", "swordfish")
    return project


def test_a_command_warns_of_it_and_does_its_work(mistyped):
    told = mistyped.pgflow("runs")
    assert told.stderr.splitlines() == [f"warning: {SAID}", "no runs"]


def test_with_json_the_warning_is_json_beside_the_result(mistyped):
    told = mistyped.pgflow("runs", "--json")
    assert json.loads(told.stdout) == []
    assert json.loads(told.stderr) == {"warning": {"message": SAID}}


def test_what_a_command_starts_does_not_repeat_it(mistyped):
    mistyped.write("shop.py", ONE_STEP)
    told = mistyped.pgflow("run", "shop:shop", "--input", "1", "--wait", "--dispatch", "--timeout", "60")
    assert told.output.count("PGFLOW_LOGS") == 1


def test_a_service_writes_it_to_its_log(mistyped):
    arguments = ("serve", "--http", "127.0.0.1:0", "--log-format", "json")
    with mistyped.serving(*arguments, env=dict(os.environ)) as server:
        line = json.loads(server.wait_for("PGFLOW_LOGS"))
        assert (line["level"], line["message"]) == ("warning", SAID)
        server.stop()
