"""Everything at once: random verbs from many sessions, some killed in the middle of a transaction."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import psycopg
import pytest

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report, fail_report, release_report
from .support.sessions import backend_pid, together, until

Open = Callable[[], Engine]
Row = Any

SESSIONS = 6
STEPS = int(os.environ.get("PGFLOW_CHAOS_STEPS", "100"))
EXPECTED = {
    "55P03": "a batch met a run that is held: the client tries again",
    "40001": "a serialization failure: the client tries again",
    "PF003": "pruned, or an item that a rerun does not have",
    "PF005": "not possible in the state that another session brought about",
}


class Monkey:
    """One session that does something at random, again and again."""

    def __init__(self, open_engine: Open, seed: int) -> None:
        self.open_engine = open_engine
        self.engine = open_engine()
        self.random = Random(seed)
        self.tasks: list[Row] = []
        self.old: list[Row] = []
        self.errors: Counter[str | None] = Counter()

    def play(self, steps: int) -> None:
        """Act so many times; every error is one that a client may meet."""
        verbs = [self.start, self.claim, self.claim, self.claim, self.report, self.report, self.report]
        verbs += [self.one, self.one, self.heartbeat, self.exchange, self.exchange, self.meddle]
        for _ in range(steps):
            try:
                if self.random.random() < 0.05:
                    self.transaction(verbs)
                else:
                    self.random.choice(verbs)()
            except psycopg.Error as error:
                self.errors[error.sqlstate] += 1

    def start(self) -> None:
        if self.engine.value("select count(*) from pgflow.runs where status = 'running'") < 12:
            self.engine.run("f", list(range(self.random.randrange(6))), priority=self.random.randrange(3))

    def claim(self) -> None:
        mode = self.random.choice(["start", "start", "launch"])
        lease = self.random.choice([0.05, 1])
        self.tasks += self.engine.claim(self.random.randrange(1, 8), mode=mode, lease=lease)

    def some(self) -> list[Row]:
        """Return attempts of its own: ones not reported yet, and now and then some again."""
        fresh = [self.tasks.pop() for _ in range(min(self.random.randrange(1, 12), len(self.tasks)))]
        self.old = (self.old + fresh)[-50:]
        return fresh + self.random.sample(self.old, min(len(self.old), self.random.choice([0, 0, 1, 3])))

    def reports(self) -> list[dict[str, Any]]:
        kinds = [complete_report] * 6 + [fail_report, release_report]
        kinds.append(partial(fail_report, retryable=False))
        return [self.random.choice(kinds)(task) | self.output(task) for task in self.some()]

    def output(self, task: Row) -> dict[str, Any]:
        return {"output": list(range(self.random.randrange(5)))} if task.step_slug == "a" else {}

    def report(self) -> None:
        self.engine.report(self.reports())

    def exchange(self) -> None:
        rows = self.engine.exchange(self.reports(), self.random.randrange(5), lease=0.05)
        self.tasks += [row for row in rows if row.kind == "task"]

    def one(self) -> None:
        for task in self.some():
            self.random.choice([
                *[partial(self.engine.complete, task, self.output(task).get("output"))] * 4,
                partial(self.engine.fail, task),
                partial(self.engine.release, task),
                partial(self.engine.begin, task),
            ])()  # fmt: skip

    def heartbeat(self) -> None:
        self.engine.heartbeat(*self.some(), lease=0.05)

    def meddle(self) -> None:
        """Cancel, retry, pause, resume, prune or maintain."""
        runs = self.engine.rows("select run_id from pgflow.runs order by random() limit 1")
        for (run_id,) in runs:
            self.random.choice([
                partial(self.engine.cancel, run_id),
                partial(self.engine.retry, run_id),
                partial(self.engine.retry, run_id, self.random.choice(["a", "m", "join"])),
                partial(self.engine.rows, "select pgflow.pause_run(%s)", run_id),
                partial(self.engine.rows, "select pgflow.resume_run(%s)", run_id),
                partial(self.engine.rows, "select pgflow.resume_run(%s)", run_id),
                partial(self.engine.value, "select pgflow.prune_runs('1 second', 1)"),
                self.engine.maintain,
            ])()  # fmt: skip

    def transaction(self, verbs: list[Callable[[], None]]) -> None:
        """Do one thing in a transaction that commits, rolls back, or dies with its session."""
        end = self.random.choice(["commit", "rollback", "kill"])
        self.engine.rows("begin")
        try:
            self.random.choice(verbs)()
            if end == "kill":
                self.reopen()
            else:
                self.engine.rows(end)
        except psycopg.Error:
            self.engine.rows("rollback")
            raise

    def reopen(self) -> None:
        """Lose the session as a killed process does, and open another."""
        dead, self.engine = self.engine, self.open_engine()
        pid = backend_pid(dead)
        self.engine.rows("select pg_terminate_backend(%s)", pid)
        until(lambda: not self.engine.rows("select 1 from pg_stat_activity where pid = %s", pid))
        dead.connection.close()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_everything_ends_and_every_invariant_holds(
    engine: Engine, open_engine: Open, seed: int
) -> None:
    """Rules 71, 81, 86: no deadlock, no lost task, no run that stays running for ever."""
    skipping = {"when_exhausted": "skip", "max_attempts": 3, "base_delay": 0}
    engine.define(
        "f",
        step("a", base_delay=0, max_attempts=5),
        step("b", "a", **skipping),
        map_step("m", "a", max_failures=2, base_delay=0),
        map_step("r", "run", **skipping),
        step("c", "b", "r", required_input={"b": None}),
        map_step("n", "m", "b", when_exhausted="skip_cascade", base_delay=0),
        step("join", "n", "c", "r", base_delay=0),
        heartbeat_timeout=1,
    )
    monkeys = [Monkey(open_engine, seed * SESSIONS + number) for number in range(SESSIONS)]
    together(*(partial(monkey.play, STEPS) for monkey in monkeys))
    errors = sum((monkey.errors for monkey in monkeys), Counter())
    assert set(errors) <= set(EXPECTED), errors
    assert engine.violations() == []
    for (run_id,) in engine.rows("select run_id from pgflow.runs where status = 'running'"):
        engine.rows("select pgflow.resume_run(%s)", run_id)
    until(partial(finish, engine))
    assert engine.violations() == []


def finish(engine: Engine) -> bool:
    """Complete what can be claimed; say whether every run has ended."""
    engine.maintain()
    for task in engine.claim(500):
        engine.complete(task, [1] if task.step_slug == "a" else None)
    left = "select run_id from pgflow.runs where status = 'running'"
    for (run_id,) in engine.rows(left):
        if engine.rows("select 1 from pgflow.step_tasks where run_id = %s and status = 'claimed'", run_id):
            engine.cancel(run_id)  # launched and never heard of: its launch deadline is minutes away
    return not engine.rows(left)
