"""Rule 71: kill -9 of the backend and of the client at every statement of claim, exchange and report.

Before the commit nothing has happened: the call made again is as if it were the first.  After it everything
has: reports sent again are duplicates, and what was claimed comes back when its lease ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .support import dying_client
from .support.crashes import Crashes, crash_server
from .support.engine import Engine, complete_report, fail_report, release_report
from .support.scenes import LONG, TASK_VERBS, Scene, Verb
from .support.sessions import meanwhile, until
from .support.stage import Stage

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 on Windows")


def report(engine: Engine, scene: Scene) -> list[str]:
    tasks = scene.tasks
    return engine.report([
        complete_report(tasks["a"], "kept"),
        complete_report(tasks["m[1]"], "kept"),
        fail_report(tasks["s"], retryable=False),
        fail_report(tasks["n[0]"]),
        release_report(tasks["n[1]"]),
        complete_report(tasks["x"], "late"),
    ])  # fmt: skip


VERBS = {"claim": TASK_VERBS["claim"], "exchange": TASK_VERBS["exchange"], "report": Verb(report)}


@dataclass
class Theatre:
    """The stage on a server that crashes."""

    crashes: Crashes
    stage: Stage

    def told(self, verb: Verb) -> tuple[Any, list[str], int]:
        """Play a verb through: what it answers, what is stored, and at how many statements it could stop."""
        scene = self.stage.scene("running")
        self.crashes.stop_at(self.stage.first, 0)
        answer = verb.call(self.stage.first, scene)
        seen = self.crashes.seen(self.stage.first)
        return answer, self.stage.strike(scene), seen

    def kill(self, victim: Engine) -> None:
        """Kill a backend, and come back when the server does."""
        self.crashes.kill(victim)
        self.stage.enter()
        self.crashes.stop_at(self.stage.first, 0)


@pytest.fixture(scope="module")
def house() -> Iterator[Theatre]:
    with crash_server() as crashes:
        yield Theatre(crashes, Stage(crashes.open))


@pytest.fixture
def theatre(house: Theatre) -> Iterator[Theatre]:
    yield house
    house.stage.clear()


def crash_at(theatre: Theatre, verb: Verb, number: int, told: tuple[Any, list[str], int]) -> bool:
    """Kill the backend at one statement: nothing has changed, and the call made again is the first.

    False if the call had fewer statements: a claim moves the low-water mark of its queue now and then.
    """
    stage = theatre.stage
    scene = stage.scene("running")
    before = scene.state(stage.director)
    theatre.crashes.stop_at(stage.first, number)

    def call() -> None:
        with suppress(psycopg.OperationalError):
            verb.call(stage.first, scene)

    victim = stage.first
    with meanwhile(call) as dying:
        until(lambda: dying.done() or theatre.crashes.has_stopped(stage.director, victim))
        if dying.done():
            stage.strike(scene)
            return False
        theatre.kill(victim)
    dying.result()
    assert stage.director.violations() == []
    assert scene.state(stage.director) == before, f"killed at statement {number}"
    assert (verb.call(stage.first, scene), stage.strike(scene)) == told[:2], f"killed at statement {number}"
    return True


@pytest.mark.parametrize("most", [7, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", VERBS)
def test_a_backend_killed_before_its_commit_has_done_nothing(theatre: Theatre, name: str, most: int) -> None:
    """Rule 71: at each statement, the deferred work of COMMIT among them; usually at a few of them."""
    told = theatre.told(VERBS[name])
    numbers = range(told[2], 0, -(told[2] // most + 1))
    assert sum(crash_at(theatre, VERBS[name], number, told) for number in numbers) > 4


@pytest.mark.parametrize("name", VERBS)
def test_a_backend_killed_after_its_commit_has_done_everything(theatre: Theatre, name: str) -> None:
    """Rule 71: whether or not the client heard of it."""
    stage = theatre.stage
    answer, state, _ = theatre.told(VERBS[name])
    scene = stage.scene("running")
    assert VERBS[name].call(stage.first, scene) == answer
    theatre.kill(stage.first)
    assert scene.state(stage.director) == state
    check_again(stage, VERBS[name], scene, state)


def check_again(stage: Stage, verb: Verb, scene: Scene, state: list[str]) -> None:
    """Make a call again that has been made: nothing is accepted twice, nothing is lost."""
    again = verb.call(stage.first, scene)
    assert set(again) <= {"duplicate", "1: duplicate", "2: duplicate"}
    assert scene.state(stage.director) == state
    claimed = {
        (t.step_slug, t.task_index) for t in stage.director.tasks(scene.run_id) if t.worker_id == "worker-2"
    }
    for session in (stage.director, stage.first):
        session.wait(LONG + 100)
    stage.director.maintain(2)
    stage.director.wait(1000)
    assert claimed <= {(task.step_slug, task.task_index) for task in stage.director.claim(100)}
    stage.strike(scene)


class Written(Exception):
    """Carries the statement that was to be sent."""


class Scribe(Engine):
    """Writes its statement down instead of sending it."""

    def rows(self, query: str, *params: Any) -> list[Any]:
        raise Written(psycopg.ClientCursor(self.connection).mogrify(query, params))


@pytest.mark.parametrize("point", ["before sending", "before reading", "before commit", "after commit"])
@pytest.mark.parametrize("name", VERBS)
def test_a_client_killed_on_the_way_leaves_all_or_nothing(theatre: Theatre, name: str, point: str) -> None:
    """Rule 71: its transaction commits or never was, and the call made again is told which."""
    stage, verb = theatre.stage, VERBS[name]
    answer, state, _ = theatre.told(verb)
    scene = stage.scene("running")
    before = scene.state(stage.director)
    with pytest.raises(Written) as written:
        verb.call(Scribe(stage.first.connection), scene)
    clock = f"set pgflow.fake_now = '{stage.first.at(stage.first.seconds).isoformat()}'"
    order = {"dsn": theatre.crashes.dsn, "before": [clock], "statement": str(written.value)}
    with subprocess.Popen(
        [sys.executable, str(Path(dying_client.__file__)), point],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as client:
        client.stdin.write(json.dumps(order).encode() + b"\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"here\n"
        client.kill()
    others = "select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> all(%s)"
    pids = [connection.info.backend_pid for connection in theatre.crashes.connections]
    until(lambda: not stage.director.rows(others, pids))
    assert stage.director.violations() == []
    after = scene.state(stage.director)
    allowed = {"before sending": [before], "before commit": [before], "after commit": [state]}
    assert after in allowed.get(point, [before, state])
    if after == state:
        check_again(stage, verb, scene, state)
    else:
        assert (verb.call(stage.first, scene), stage.strike(scene)) == (answer, state)
