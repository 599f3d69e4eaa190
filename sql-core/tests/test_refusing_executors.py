"""An executor that refuses every launch until its operator acts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from .support.definitions import map_step, step
from .support.engine import Engine
from .support.watched import record


def paused(engine: Engine, executor: str = "local") -> Any:
    return engine.row("select * from pgflow.lane_state(%s, 'somebody else')", executor)


def test_it_is_paused_and_probed_at_growing_distances(remote: Engine) -> None:
    """Rule 94: one launch after 30 s, then after twice as long, 10 minutes at most."""
    engine = remote
    run_ids = [engine.run("f") for _ in range(3)]
    (task,) = engine.claim(1, mode="launch")
    for delay in (30, 60, 120, 240, 480, 600, 600):
        assert record(engine, task, "rejected", kind="operator", reason="403") == "requeued"
        state = paused(engine)
        now = engine.wait(0)
        assert (state.pause_reason, state.probe_at) == ("403", now + timedelta(seconds=delay))
        engine.wait(delay - 1)
        assert engine.claim(10, mode="launch") == []
        engine.wait(1)
        assert engine.next_wake_at() == engine.wait(0)
        (task,) = engine.claim(10, mode="launch")
        assert engine.claim(10, mode="launch") == []
    assert record(engine, task) == "accepted"
    assert paused(engine).paused_at is None
    assert len(engine.claim(10, mode="launch")) == 2
    for run_id in run_ids:
        stored = engine.task(run_id, "a")
        assert (stored.failures, stored.launch_failures) == (0, 0)


def test_a_probe_that_nobody_answers_for_is_followed_by_another(remote: Engine) -> None:
    """Rule 94: its dispatcher may have died."""
    [remote.run("f") for _ in range(3)]
    record(remote, remote.take(mode="launch"), "rejected", kind="operator")
    remote.wait(30)
    assert len(remote.claim(10, mode="launch")) == 1
    remote.wait(59)
    assert remote.claim(10, mode="launch") == []
    remote.wait(1)
    assert len(remote.claim(10, mode="launch")) == 1


@pytest.mark.parametrize("kind", ["throttled", "transient", "permanent"])
def test_any_other_answer_shows_that_it_is_mended(remote: Engine, kind: str) -> None:
    """Rule 94: it got as far as that."""
    [remote.run("f") for _ in range(3)]
    record(remote, remote.take(mode="launch"), "rejected", kind="operator")
    remote.wait(30)
    (probe,) = remote.claim(10, mode="launch")
    record(remote, probe, "rejected", kind=kind)
    assert paused(remote).paused_at is None


def test_launches_that_were_under_way_neither_lengthen_nor_end_the_pause(engine: Engine) -> None:
    """Rule 94: they say nothing of what has been since."""
    engine.define("f", map_step("m", "run"))
    now = engine.at(0)
    engine.run("f", [1, 2, 3])
    first, second, third = engine.claim(3, mode="launch")
    record(engine, first, "rejected", kind="operator")
    engine.at(1)
    record(engine, second, "rejected", kind="operator")
    record(engine, third)
    assert paused(engine).probe_at == now + timedelta(seconds=30)


def test_a_pause_that_somebody_asked_for_is_theirs_to_end(remote: Engine) -> None:
    """Rule 94: no probe, whatever launches say; it takes the place of a pause by itself."""
    [remote.run("f") for _ in range(3)]
    first, second = remote.claim(2, mode="launch")
    record(remote, first, "rejected", kind="operator", reason="403")
    assert remote.value("select pgflow.pause_executor('local', 'moving house')") == "paused"
    record(remote, second, "rejected", kind="operator", reason="403")
    assert (paused(remote).pause_reason, paused(remote).probe_at) == ("moving house", None)
    remote.wait(5000)
    assert remote.claim(10, mode="launch") == []
    assert remote.value("select pgflow.resume_executor('local')") == "resumed"
    assert len(remote.claim(10, mode="launch")) == 3


def test_other_executors_go_on(engine: Engine) -> None:
    """Rule 94: the pause is that of one executor."""
    engine.define("f", step("a", executor="edge"), step("b"))
    engine.at(0)
    engine.run("f")
    record(engine, engine.take("a", executor="edge", mode="launch"), "rejected", kind="operator")
    assert engine.take("b").step_slug == "b"
