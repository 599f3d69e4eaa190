"""Heartbeats from a thread: how often, with what, and when they tell that the attempt is over."""

import json
import queue
import time

import pytest
from pgflow.reporters import NotWanted, Refused, Unavailable
from pgflow.runtime.heart import Heart

SECONDS = 30.0


class Engine:
    """Answers heartbeats as told; without an answer left, with the last one."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = queue.Queue()
        self.ended = queue.Queue()

    def beat(self, fields, timeout):
        self.asked.put(fields)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {"status": json.dumps(answer)}


@pytest.fixture
def heart():
    made = []

    def make(engine, timeout):
        made.append(Heart(engine.beat, timeout, engine.ended.put))
        made[-1].start(time.monotonic())
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.mark.parametrize(("answer", "verdict"), [("cancel", "cancel"), (NotWanted("stale"), "stale")])
def test_the_end_of_an_attempt_is_told_once(heart, answer, verdict):
    engine = Engine("ok", answer)
    beating = heart(engine, 0.3)
    assert engine.ended.get(timeout=SECONDS) == verdict
    assert beating.heartbeat() == verdict
    assert not beating.is_silent
    assert engine.asked.qsize() == 2
    assert engine.ended.empty()


def test_silence_for_as_long_as_the_lease_is_the_end(heart):
    engine = Engine("ok", Unavailable("nobody"))
    beating = heart(engine, 1.0)
    assert engine.ended.get(timeout=SECONDS) == "stale"
    assert beating.is_silent
    assert engine.asked.qsize() >= 2


def test_shorter_silence_and_refusals_are_not(heart, monkeypatch):
    monkeypatch.setattr("pgflow.runtime.heart._LONGEST_INTERVAL", 0.3)
    engine = Engine(Unavailable("nobody"), Refused("setup", "no"), "ok", "ok", "cancel")
    beating = heart(engine, 60.0)
    assert engine.ended.get(timeout=SECONDS) == "cancel"
    assert not beating.is_silent


def test_progress_goes_with_the_next_heartbeat_and_the_latest_counts(heart):
    engine = Engine(Unavailable("nobody"), "ok")
    beating = heart(engine, None)  # the next one would be in ten seconds
    for done in (1, 2, 3):
        beating.progress(done, 10, None)
    beating.progress(float("nan"), None, None)
    first = engine.asked.get(timeout=SECONDS)
    again = engine.asked.get(timeout=SECONDS)  # what nobody heard is said again
    assert json.loads(first["progress"])["done"] in {1, 2, 3}
    assert json.loads(again["progress"]) == {"done": 3, "total": 10}
