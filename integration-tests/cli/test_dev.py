"""Serving commands as processes: `dev` reloads and stops cleanly, `dispatch` ends with its parent."""

import json
import os
import signal
import time

import pytest

SECONDS = 60
FLOW = """
from pgflow import Node, flow, step

def answer(n: int) -> int:
    return n + {increment}

@flow
def ask(n: Node[int]) -> Node[int]:
    return step(answer, n{options})
"""


@pytest.fixture
def asked(project):
    project.write("asking.py", FLOW.format(increment=1, options=""))
    project.write("pgflow.toml", 'flows = ["asking:ask"]\n')
    return project


def result(project, n):
    done = project.process("run", "ask", "--input", str(n), "--wait", "--json", "--timeout", "40")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["result"]


def test_dev_serves_reloads_and_stops_cleanly(asked):
    with asked.serving("dev") as dev:
        dev.wait_for("database embedded PostgreSQL 18 in")
        dev.wait_for("ask version 1 new")
        dev.wait_for("ready")
        assert result(asked, 1) == 2

        asked.write("asking.py", FLOW.format(increment=10, options=", max_attempts=7"))
        dev.wait_for("changed  asking.py")
        dev.wait_for("ask version 2 new")
        dev.wait_for("ready")
        assert result(asked, 1) == 11

        asked.write("asking.py", "def broken(:\n")
        dev.wait_for("error: asking.py:1: cannot import 'asking': SyntaxError")
        dev.wait_for("kept     what was deployed before")
        asked.write("asking.py", FLOW.format(increment=100, options=", max_attempts=7"))
        dev.wait_for("ask version 2 unchanged")
        dev.wait_for("ready")
        assert result(asked, 1) == 101

        assert dev.stop() == 0
        dev.wait_for("stopped")


@pytest.mark.slow
def test_dev_waits_for_a_mend_when_the_first_deployment_fails(asked):
    asked.write("asking.py", "def broken(:\n")
    with asked.serving("dev", "--json") as dev:
        dev.wait_for('{"event":"waiting","detail":"for a change"}')
        asked.write("asking.py", FLOW.format(increment=1, options=""))
        dev.wait_for('{"event":"ready"')
        assert dev.stop(signal.SIGTERM) == 0


def test_dev_without_reload_fails_when_the_deployment_fails(asked):
    asked.write("asking.py", "def broken(:\n")
    with asked.serving("dev", "--no-reload") as dev:
        dev.wait_for("error: the flows cannot be deployed")
        assert dev.process.wait(SECONDS) == 1


def test_dispatch_finishes_what_runs_when_it_is_told_to_stop(asked, database):
    asked.write(
        "asking.py",
        "import time\nfrom pathlib import Path\nfrom pgflow import Node, flow, step\n"
        "def answer(n: int) -> int:\n    Path('begun').touch()\n    time.sleep(2)\n    return n\n"
        "@flow\ndef ask(n: Node[int]) -> Node[int]:\n    return step(answer, n)\n",
    )
    asked.pgflow("deploy")
    with asked.serving("dispatch") as dispatcher:
        dispatcher.wait_for("serves local")
        run = asked.json("run", "ask", "--input", "5")
        deadline = time.monotonic() + SECONDS
        while not (asked.folder / "begun").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert dispatcher.stop(signal.SIGTERM) == 0
    assert asked.json("status", run["run_id"])["status"] == "completed"


def test_dispatch_ends_when_its_parent_does(asked, database):
    reading, writing = os.pipe()
    with asked.serving("dispatch", "--until-eof", stdin=reading) as dispatcher:
        os.close(reading)
        dispatcher.wait_for("serves local")
        os.close(writing)
        assert dispatcher.process.wait(SECONDS) == 0


@pytest.mark.slow
def test_a_first_run_needs_no_database_and_a_second_one_finds_it_again(project):
    project.pgflow("init")
    first = project.process("run", "flows.hello:hello", "--wait")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {"words": 6, "letters": 33, "longest": "transitions"}
    again = project.process("run", "hello", "--wait", "--input", '{"body": "a bc"}', "--json")
    assert json.loads(again.stdout)["result"] == {"words": 2, "letters": 3, "longest": "bc"}
    assert len(json.loads(project.process("runs", "--json").stdout)) == 2


def test_ctrl_c_while_waiting_leaves_the_run_and_says_where_it_is(asked):
    asked.write("asking.py", FLOW.format(increment=1, options=", start_delay=600"))
    with asked.serving("run", "asking:ask", "--input", "1", "--wait") as run:
        run.wait_for("▶ answer")
        assert run.stop() == 1
        run.wait_for("error: stopped waiting for run")
    (listed,) = asked.json("runs")
    assert listed["status"] == "running"
