"""The engine and the oracle side by side: every answer and every state compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from ..oracle import Run, Task
from .comparison import compare_everything, compare_steps, stored
from .engine import Engine, key, reference, refused
from .journal import Journal
from .random_flows import definition, random_input, random_output, random_steps
from .reports import Report, commute

Row = Any

SHORT, LONG = 10.0, 10_000_000.0
NOTHING_CHANGED = {"stale", "duplicate", "unknown"}


class World:
    """A few runs of one random flow, driven at random by its seed."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self.random = Random(seed)
        self.runs: dict[UUID, Run] = {}
        self.retried: set[UUID] = set()
        self.live: list[Row] = []
        self.old: list[Row] = []
        self.short: Row = None
        self.launch_timeout = self.random.choice([SHORT, LONG])
        self.launching = self.random.choice([0.1, 0.3, 0.8])
        self.failing = self.random.choice([0.3, 2])
        engine.journal = self.journal = Journal()
        self.slug = f"f{seed}"
        self.definition: dict[str, Any] = {}

    def _start(self) -> None:
        array_input = self.random.random() < 0.6
        steps = random_steps(self.random, array_input)
        returns = self.random.choice([None, self.random.choice(steps).slug])
        self.definition = definition(self.slug, steps, returns)
        self.definition["options"]["launch_timeout"] = self.launch_timeout
        self.engine.define_json(self.definition)
        for _ in range(self.random.choice([1, 1, 2, 3])):
            value = random_input(self.random, array_input)
            started = self.engine.start(self.slug, value)
            run = self.runs[started.run_id] = Run(steps, returns, value)
            self._settle(started.run_id)
            assert started.status == run.status

    def live_on(self) -> None:
        """Act at random until every run has ended, and a little longer; then finish what was reopened."""
        self._start()
        actions: list[Callable[[], None]] = [self.claim] * 6 + [self.report_one] * 6 + [self.report_batch] * 6
        actions += [self.exchange] * 4 + [self.report_old, self.heartbeat] * 2
        actions += (
            [self.lose, self.launched] * 4 + [self.handshake] * 2 + [self.cancel, self.retry, self.pause]
        )
        idle = 0
        for _ in range(2000):
            action = self.random.choice(actions)
            self.journal.note(f"# {action.__name__}")
            action()
            compare_steps(self.engine, self.runs)
            if not self._running():
                idle += 1
                self.random.choice([self.retry, self.report_old])()
            if idle > 10:
                break
        for run_id, run in self.runs.items():
            if run.paused and run.status == "running":
                self._resume(run_id)
        while self._running():
            self.claim()
            self.report_batch()
        compare_everything(self.engine, self.runs)

    def story(self) -> str:
        """Return what happened, and what the two sides hold now: for whoever reads of a failure."""
        self.engine.journal = None
        parts = [f"definition: {json.dumps(self.definition)}", "calls, the last ones:", str(self.journal)]
        for run_id, run in self.runs.items():
            parts += [f"run {run_id} of the oracle: {vars(run)}", f"short lease: {self.short}"]
            parts += stored(self.engine, run_id)
        return "\n".join(parts)

    # -- actions -----------------------------------------------------------------------------------

    def claim(self) -> None:
        """Claim some tasks, with a short lease one at a time: which of two losses is first is left open."""
        count = self.random.choice([1, 2, 5, 20])
        kind = self.random.random()
        if kind < self.launching:
            self._launch(count)
        elif kind < self.launching + 0.3 and self.short is None:
            tasks = self.engine.claim(1, lease=SHORT)
            self._taken(tasks, 1)
            self.short = tasks[0] if tasks else None
            if self.random.random() < 0.4:
                self.lose()
        else:
            self._taken(self.engine.claim(count, lease=LONG), count)

    def handshake(self) -> None:
        """Begin an attempt, live or old, in one of two places."""
        if self.live + self.old:
            self._begin(self.random.choice(self.live * 3 + self.old), self.random.choice(["here", "there"]))

    def launched(self) -> None:
        """Say what became of a launch, or of what was none."""
        waiting = [task for task in self.live if self._is_launched(task)]
        task = self.random.choice(waiting or self.live or self.old or [None])
        if task is None:
            return
        outcome = self.random.choice(["accepted", "rejected", "rejected", "unknown"])
        kind = self.random.choice(["throttled", "transient", "transient", "transient", "permanent"])
        run = self.runs[task.run_id]
        expected = run.launch(task.step_slug, task.task_index, task.attempt, outcome, kind)
        said = {"outcome": outcome, "kind": kind, "retry_after_seconds": 0}
        (answer,) = self.engine.launches(reference(task) | said)
        self._settle(task.run_id)
        assert answer == expected, (task, answer, expected)
        if answer in ("requeued", "failed"):
            self.live.remove(task)
            self.old.append(task)

    def heartbeat(self) -> None:
        """Renew the leases of some attempts, live and old, but for the short one."""
        known = [task for task in self.live + self.old if self.short is None or key(task) != key(self.short)]
        tasks = self.random.sample(known, min(len(known), 5))
        for task, answer in zip(tasks, self.engine.heartbeat(*tasks, lease=LONG), strict=True):
            expected = self.runs[task.run_id].heartbeat(task.step_slug, task.task_index, task.attempt)
            settled = {"stale", "cancel"} if task.run_id in self.retried else set()
            assert answer == expected or {answer, expected} <= settled, (task, answer, expected)

    def pause(self) -> None:
        """Pause a run, or resume it."""
        run_id = self.random.choice(list(self.runs))
        if self.runs[run_id].paused:
            self._resume(run_id)
        elif self.runs[run_id].status == "running":
            self.engine.rows("select pgflow.pause_run(%s)", run_id)
            self.runs[run_id].paused = True

    def report_one(self) -> None:
        """Report a live attempt by a single verb."""
        if self.live:
            self._send(self._outcome(self.live.pop(self.random.randrange(len(self.live)))))

    def report_old(self) -> None:
        """Report an attempt that was reported before."""
        if self.old:
            self._send(self._outcome(self.random.choice(self.old)))

    def report_batch(self) -> None:
        """Report several attempts in one call."""
        reports = self._batch()
        self._check_batch(reports, self.engine.report(report.json() for report in reports))

    def exchange(self) -> None:
        """Report several attempts and claim in one call."""
        reports = self._batch()
        count = self.random.choice([0, 1, 4])
        rows = self.engine.exchange([report.json() for report in reports], count, lease=LONG)
        answers = sorted((row for row in rows if row.kind == "report"), key=lambda row: row.ordinal)
        self._check_batch(reports, [row.status for row in answers])
        tasks = [row for row in rows if row.kind == "task"]
        self._taken(tasks, count)

    def lose(self) -> None:
        """Let the short lease expire; sometimes its worker reports before anybody notices."""
        self.engine.wait(SHORT + 1)
        if self.random.random() < 0.3:
            self.report_one()
        task = self.short
        run = self.runs[task.run_id] if task else None
        if run is not None and run.paused and run.status == "running":
            task = None  # paused time is no missed lease
        if task is not None and run is not None:
            self.short = None
            held = run.states[task.step_slug].tasks.get(task.task_index)
            if held is not None and held.attempt == task.attempt:
                run.lose(task.step_slug, task.task_index)
        if self.random.random() < 0.5:
            self.engine.maintain()
            tasks = []
        else:
            tasks = self.engine.claim(3, lease=LONG)
        if task is not None:
            self._settle(task.run_id)
        self._taken(tasks, 3 if tasks else 0)

    def cancel(self) -> None:
        """Cancel a run, seldom."""
        run_id = self.random.choice(list(self.runs))
        if self.random.random() < 0.3:
            assert self.engine.cancel(run_id) == self.runs[run_id].cancel()

    def retry(self) -> None:
        """Reopen a run that has ended, where it stopped or from a step on."""
        run_id = self.random.choice(list(self.runs))
        run = self.runs[run_id]
        from_step = self.random.choice([None, self.random.choice(list(run.steps))])
        if run.status == "running" or (run.status == "completed" and from_step is None):
            return
        if from_step and run.states[from_step].skip_reason == "dependency_skipped":
            with refused("PF005", from_step):
                self.engine.retry(run_id, from_step)
            return
        self.engine.retry(run_id, from_step)
        self.retried.add(run_id)
        run.retry(from_step)
        self._settle(run_id)

    # -- both sides --------------------------------------------------------------------------------

    def _running(self) -> bool:
        return any(run.status == "running" for run in self.runs.values())

    def _resume(self, run_id: UUID) -> None:
        self.engine.rows("select pgflow.resume_run(%s)", run_id)
        self.runs[run_id].paused = False

    def _launch(self, count: int) -> None:
        """Claim for another place; some of the tasks are begun there, once or twice."""
        if self.launch_timeout == SHORT:
            if self.short is not None:
                return
            count = 1
        tasks = self.engine.claim(count, mode="launch", inputs=self.random.choice(["full", "none"]))
        self._taken(tasks, count, launched=True)
        if self.launch_timeout == SHORT and tasks:
            self.short = tasks[0]
        for task in tasks:
            for _ in range(self.random.choice([0, 0, 1, 2])):
                self._begin(task, self.random.choice(["here", "there"]))
        self.random.choice([self.lose, self.launched, self.handshake])()

    def _is_launched(self, task: Row) -> bool:
        held = self.runs[task.run_id].states[task.step_slug].tasks.get(task.task_index)
        return (
            held is not None and held.launched and held.attempt == task.attempt and held.status == "running"
        )

    def _begin(self, task: Row, place: str) -> None:
        """Shake hands; an attempt that began has time."""
        run = self.runs[task.run_id]
        value = run.input_of(task.step_slug, task.task_index)
        expected = run.begin(task.step_slug, task.task_index, task.attempt, place)
        try:
            answer, given = self.engine.begin(task, place)[:2]
        except psycopg.Error as error:
            if error.sqlstate != "PF003":
                raise
            answer, given = "unknown", None
        gone = {"stale", "unknown"} if task.run_id in self.retried else set()
        assert answer == expected or {answer, expected} <= gone, (task, answer, expected)
        assert given == (value if expected == "started" else None)
        if expected == "started" and self.short is not None and key(self.short) == key(task):
            self.short = None

    def _taken(self, tasks: list[Row], count: int, *, launched: bool = False) -> None:
        assert len(tasks) <= count
        for task in tasks:
            run = self.runs[task.run_id]
            assert (task.step_slug, task.task_index) in run.queued()
            back = (task.step_slug, task.task_index) in run.back
            attempt, value = run.claim(task.step_slug, task.task_index, launched=launched)
            if back:  # its numbers go on, with or without a gap
                assert task.attempt >= attempt
                run.states[task.step_slug].tasks[task.task_index].attempt = attempt = task.attempt
            assert task.attempt == attempt
            assert task.input == value or (launched and task.input is None)
            self.live.append(task)
        if len(tasks) < count:
            assert not any(run.queued() for run in self.runs.values()), "a ready task was not claimed"

    def _outcome(self, task: Row) -> Report:
        verb = self.random.choices(["complete", "fail", "release"], [6, self.failing, 1])[0]
        return Report(task, verb, random_output(self.random, task.step_slug), self.random.random() < 0.8)

    def _send(self, report: Report) -> None:
        expected = report.apply(self.runs[report.task.run_id])
        try:
            if report.verb == "complete":
                answer = self.engine.complete(report.task, report.output)
            elif report.verb == "fail":
                answer = self.engine.fail(report.task, retryable=report.retryable)
            else:
                (answer,) = self.engine.release(report.task)
        except psycopg.Error as error:
            if error.sqlstate != "PF003":
                raise
            answer = "unknown"
        self._settle(report.task.run_id)
        self._check(report, answer, expected)

    def _batch(self) -> list[Report]:
        """Choose reports; those whose answers depend on their order are sent alone: it is left open."""
        self.random.shuffle(self.live)
        tasks = [self.live.pop() for _ in range(min(len(self.live), self.random.randrange(8)))]
        tasks += self.random.sample(self.old, min(len(self.old), self.random.choice([0, 0, 1])))
        reports: list[Report] = []
        for run_id, run in self.runs.items():
            mine = [self._outcome(task) for task in tasks if task.run_id == run_id]
            if commute(run, mine):
                reports += mine
            else:
                for report in mine:
                    self._send(report)
        self.random.shuffle(reports)
        return reports

    def _check_batch(self, reports: list[Report], answers: list[str]) -> None:
        expected = [report.apply(self.runs[report.task.run_id]) for report in reports]
        for report, answer, wanted in zip(reports, answers, expected, strict=True):
            self._check(report, answer, wanted)

    def _check(self, report: Report, answer: str, expected: str) -> None:
        self.old.append(report.task)
        again = report.verb == "release" or report.task.run_id in self.retried
        if again and expected in NOTHING_CHANGED:
            # A second release may be told either; what a run of an earlier life completed is not kept.
            assert answer in NOTHING_CHANGED
        else:
            assert answer == expected, f"{report} answered {answer}, not {expected}"

    def _settle(self, run_id: UUID) -> None:
        """Take over what the oracle leaves open: how steps ended beside the one that failed their run."""
        run = self.runs[run_id]
        if not run.contested:
            return
        statuses = set()
        for slug in run.contested:
            state, stored = run.states[slug], self.engine.step(run_id, slug)
            allowed = {"failed", "skipped", "cancelled"} | (
                {"completed"} if run.steps[slug].map_over else set()
            )
            assert stored.status in allowed
            statuses.add(stored.status)
            state.status, state.skip_reason, state.output = stored.status, stored.skip_reason, stored.output
            tasks = {task.task_index: task for task in self.engine.tasks(run_id, slug)}
            left = {index: task.status for index, task in tasks.items()}
            kept = {"failed"} if run_id in self.retried else set()
            assert set(left.values()) <= {"cancelled", "completed"} | kept, (slug, left)
            for index in state.tasks.keys() - tasks.keys():
                state.tasks[index].status = "reset"
            for index, task in tasks.items():
                # An item that failed in an earlier life of the run, and was not reached in this one.
                state.tasks.setdefault(index, Task()).status = (
                    "reset" if task.status == "failed" else task.status
                )
        assert "failed" in statuses
        run.contested.clear()
