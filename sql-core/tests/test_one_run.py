"""One run under any sequence of verbs that hypothesis thinks of, against a model of ninety lines.

A step gives a list, a map works on it, a last step follows.  PGFLOW_MODEL_EXAMPLES sets how many sequences;
the slow test thinks of four times as many.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from .support import vacuum
from .support.definitions import map_step, step
from .support.engine import Engine, refused

Row = Any
LEASE = 30.0
EXAMPLES = int(os.environ.get("PGFLOW_MODEL_EXAMPLES", "40"))
TRIES = 2


@dataclass
class Task:
    """One task: where it stands, and which verb ended which of its attempts."""

    status: str = "queued"
    attempt: int = 0
    failures: int = 0
    has_token: bool = False
    ended_by: dict[int, str] = field(default_factory=dict)


@dataclass
class Model:
    """What the run must look like."""

    status: str = "running"
    paused: bool = False
    tasks: dict[tuple[str, int], Task] = field(default_factory=lambda: {("a", 0): Task()})

    def queued(self) -> set[tuple[str, int]]:
        """Return what may be claimed."""
        if self.paused:
            return set()
        return {name for name, task in self.tasks.items() if task.status == "queued"}

    def report(self, name: tuple[str, int], attempt: int, verb: str, output: Any, retryable: bool) -> str:
        """Report an attempt; return the answer."""
        task = self.tasks[name]
        if task.ended_by.get(attempt) == verb:
            return "duplicate"
        if attempt != task.attempt or not task.has_token or task.status not in ("queued", "running"):
            return "stale"
        was_lost = task.status == "queued"
        task.ended_by[attempt] = verb
        task.has_token = False
        if verb == "complete":
            task.status = "completed"
            self._advance(name[0], output)
            return "completed"
        task.status = "queued"
        if verb == "release":
            return "released"
        return self._failed(task, retryable=retryable, counted=was_lost)

    def _failed(self, task: Task, *, retryable: bool, counted: bool) -> str:
        task.failures += not counted
        if retryable and task.failures < TRIES:
            return "retrying"
        task.status = "failed"
        self.close("failed")
        return "failed"

    def lose(self) -> None:
        """Let every lease end."""
        for task in list(self.tasks.values()):
            if task.status == "running" and not self.paused:
                task.status = "queued"
                self._failed(task, retryable=True, counted=False)

    def close(self, status: str) -> None:
        """End the run before its time."""
        self.status, self.paused = status, False
        for task in self.tasks.values():
            if task.status in ("queued", "running"):
                task.status = "cancelled"

    def reopen(self) -> None:
        """Queue again what did not complete."""
        self.status = "running"
        for task in self.tasks.values():
            if task.status != "completed":
                task.status, task.failures, task.has_token = "queued", 0, False

    def _advance(self, slug: str, output: Any) -> None:
        if slug == "a":
            self.tasks |= {("m", index): Task() for index in range(len(output))}
        if slug == "end":
            self.status, self.paused = "completed", False
        elif all(task.status == "completed" for task in self.tasks.values()):
            self.tasks["end", 0] = Task()


class OneRun(RuleBasedStateMachine):
    """Calls the verbs of one run."""

    engine: Engine
    attempts = Bundle("attempts")

    @initialize()
    def start(self) -> None:
        """Start the run."""
        self.run_id = self.engine.run("f")
        self.model = Model()

    def teardown(self) -> None:
        """Leave nothing to claim for the next."""
        self.engine.cancel(self.run_id)

    @rule(target=attempts, count=st.integers(1, 3))
    @precondition(lambda self: self.model.status == "running")
    def claim(self, count: int) -> Any:
        """Claim: all that is asked for, as far as there is any."""
        queued = self.model.queued()
        tasks = self.engine.claim(count, lease=LEASE)
        assert len(tasks) == min(count, len(queued))
        for row in tasks:
            assert (row.step_slug, row.task_index) in queued
            task = self.model.tasks[row.step_slug, row.task_index]
            task.status, task.attempt, task.has_token = "running", task.attempt + 1, True
            assert (row.attempt, row.failures) == (task.attempt, task.failures)
        return multiple(*tasks)

    @rule(target=attempts, output=st.lists(st.integers(0, 2), min_size=1, max_size=2), works=st.booleans())
    @precondition(lambda self: self.model.queued())
    def work(self, output: list[int], works: bool) -> Any:
        """Claim one task and report it, as most workers do."""
        row = self.claim(1).values[0]
        if works:
            self.complete(row, output)
        else:
            self.fail(row, retryable=True)
        return row

    @rule(row=attempts, output=st.lists(st.integers(0, 2), max_size=3))
    def complete(self, row: Row, output: list[int]) -> None:
        """Complete an attempt, for the first time or again, in time or late."""
        assert self.engine.complete(row, output) == self._answer(row, "complete", output=output)

    @rule(row=attempts, retryable=st.booleans())
    def fail(self, row: Row, retryable: bool) -> None:
        """Fail an attempt."""
        answer = self.engine.fail(row, retryable=retryable)
        assert answer == self._answer(row, "fail", retryable=retryable)

    @rule(row=attempts)
    def release(self, row: Row) -> None:
        """Hand an attempt back; a second time nothing is left to hand back."""
        expected = self._answer(row, "release")
        assert self.engine.release(row) == ["stale" if expected == "duplicate" else expected]

    @rule(row=attempts)
    def heartbeat(self, row: Row) -> None:
        """Renew a lease, which changes nothing here."""
        task = self.model.tasks[row.step_slug, row.task_index]
        current = task.has_token and task.attempt == row.attempt
        expected = {"running": "ok", "cancelled": "cancel"}.get(task.status, "stale") if current else "stale"
        assert self.engine.heartbeat(row, lease=LEASE) == [expected]

    @rule()
    @precondition(lambda self: any(task.status == "running" for task in self.model.tasks.values()))
    def lose(self) -> None:
        """Let time pass until every lease has ended."""
        self.engine.wait(LEASE + 10)
        self.engine.maintain(passes=10)  # a pass is bounded, and earlier sequences left timers too
        self.model.lose()

    @rule()
    @precondition(lambda self: sum(task.attempt for task in self.model.tasks.values()) > 3)
    def cancel(self) -> None:
        """Cancel."""
        running = self.model.status == "running"
        assert self.engine.cancel(self.run_id) == ("cancelled" if running else "already_ended")
        if running:
            self.model.close("cancelled")

    @rule()
    def retry(self) -> None:
        """Reopen what failed or was cancelled; anything else is refused."""
        if self.model.status in ("failed", "cancelled"):
            self.engine.retry(self.run_id)
            self.model.reopen()
        else:
            with refused("PF005"):
                self.engine.retry(self.run_id)

    @rule(verb=st.sampled_from(["pause", "resume"]))
    @precondition(lambda self: self.model.status == "running")
    def pause_or_resume(self, verb: str) -> None:
        """Pause or resume, if it is not so already."""
        wanted = verb == "pause"
        no_change = {"pause": "already_paused", "resume": "not_paused"}[verb]
        expected = no_change if self.model.paused == wanted else f"{verb}d"
        assert self.engine.value(f"select pgflow.{verb}_run(%s)", self.run_id) == expected
        self.model.paused = wanted

    @invariant()
    def is_as_modelled(self) -> None:
        """The run is as the model says, and sound."""
        assert self.engine.status(self.run_id) == self.model.status
        if self.model.status != "failed":  # of several that fail at once the first one is
            stored = {(t.step_slug, t.task_index): t.status for t in self.engine.tasks(self.run_id)}
            assert stored == {name: task.status for name, task in self.model.tasks.items()}
        assert self.engine.violations(self.run_id) == []

    def _answer(self, row: Row, verb: str, *, output: Any = None, retryable: bool = True) -> str:
        return self.model.report((row.step_slug, row.task_index), row.attempt, verb, output, retryable)


@pytest.mark.parametrize("derandomize", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_one_run_is_as_its_model_says_after_every_verb(engine: Engine, derandomize: bool) -> None:
    """Rules 28, 58-63, 81: whatever the order; the slow one thinks of new sequences each time."""
    vacuum.keep_out(engine.connection)
    engine.at(0)
    engine.define(
        "f", step("a"), map_step("m", "a"), step("end", "m"), max_attempts=TRIES, base_delay=0, timeout=1e8
    )
    OneRun.engine = engine
    run_state_machine_as_test(
        OneRun,
        settings=settings(
            max_examples=EXAMPLES if derandomize else 4 * EXAMPLES,
            stateful_step_count=50,
            derandomize=derandomize,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
