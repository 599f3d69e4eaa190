"""Attempts that a place of launch began twice: one copy is seen to end while the other goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .support.definitions import Json, map_step, step
from .support.engine import Engine
from .support.watched import seen

OPTIONS: dict[str, Json] = {"timeout": 500, "max_attempts": 2, "base_delay": 0}


@pytest.fixture
def remote(engine: Engine) -> Engine:
    """An engine at second 0 with the flow `f` of one step `a`."""
    engine.define("f", step("a", **OPTIONS))
    engine.at(0)
    return engine


def over_since(engine: Engine) -> Any:
    return engine.value("select over_since from pgflow.launches")


@pytest.mark.parametrize("kind", ["single", "map"])
def test_one_that_beats_on_goes_on(engine: Engine, kind: str) -> None:
    """Rule 93: what ended was another copy of it; the beat of another attempt says nothing."""
    engine.define("f", step("a", **OPTIONS) if kind == "single" else map_step("a", "run", **OPTIONS))
    engine.at(0)
    engine.run("f", [1])
    engine.run("f", [2])
    task, other = engine.claim(2, mode="launch")
    engine.begin(task)
    engine.begin(other)
    assert engine.observe(seen(task, "exited_error"), seen(other, "exited_error")) == ["over", "over"]
    engine.at(3)
    assert engine.heartbeat(other._replace(attempt_token=task.attempt_token), task) == ["stale", "ok"]
    engine.at(6)
    assert engine.observe(seen(task, "exited_error"), seen(other, "exited_error")) == ["over", "retrying"]
    engine.at(12)
    assert engine.observe(seen(task, "exited_error")) == ["retrying"]


def test_one_that_shakes_hands_goes_on(remote: Engine) -> None:
    """Rule 93: the first to begin, and the same again; a copy that is turned away says nothing."""
    remote.run("f")
    task = remote.take(mode="launch")
    for since, instance in ((0, "one"), (10, "one")):
        remote.at(since)
        assert remote.observe(seen(task, "exited_error")) == ["over"]
        assert remote.begin(task, instance).status == "started"
        remote.at(since + 6)
        assert remote.observe(seen(task, "exited_error")) == ["over"]
        assert remote.begin(task, instance).status == "started"
    assert remote.observe(seen(task, "exited_error")) == ["over"]
    assert remote.begin(task, "another").status == "conflict"
    remote.at(22)
    assert remote.observe(seen(task, "exited_error")) == ["retrying"]


def test_a_beat_waits_for_nobody_who_looks(remote: Engine, open_engine: Callable[[], Engine]) -> None:
    """Rule 93 and the order of locks: what it could not clear the next one clears."""
    remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    remote.observe(seen(task, "exited_error"))
    looker = open_engine()
    with looker.transaction():
        looker.rows("select from pgflow.launches for no key update")
        assert remote.heartbeat(task) == ["ok"]
        assert over_since(remote) is not None
    assert remote.heartbeat(task) == ["ok"]
    assert over_since(remote) is None


def test_beats_of_what_is_not_over_write_nothing_of_launches(remote: Engine) -> None:
    """Rule 93: heartbeats are many, and this is rare."""
    writes = "select n_tup_upd from pg_stat_xact_all_tables where relid = 'pgflow.launches'::regclass"
    remote.run("f")
    remote.run("f")
    beating, over = remote.claim(2, mode="launch")
    remote.begin(beating)
    remote.observe(seen(over, "exited_error"))
    with remote.transaction():
        before = remote.value(writes)
        assert remote.heartbeat(beating, beating) == ["ok", "ok"]
        assert remote.value(writes) == before
        assert remote.heartbeat(over, beating) == ["ok", "ok"]
        assert remote.value(writes) == before + 1
