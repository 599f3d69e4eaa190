"""The engine and the oracle side by side: every answer and every state compared."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from ..oracle import Run, Task
from .engine import Engine, complete_report, fail_report, key, refused, release_report
from .random_flows import definition, random_input, random_output, random_steps

Row = Any

SHORT, LONG = 10.0, 10_000_000.0
NOTHING_CHANGED = {"stale", "duplicate", "unknown"}


@dataclass(frozen=True)
class Report:
    """What a worker says of one attempt."""

    task: Row
    verb: str
    output: Any
    retryable: bool

    def apply(self, run: Run) -> str:
        """Tell the oracle."""
        task = self.task
        return run.report(
            task.step_slug, task.task_index, task.attempt, self.verb, self.output, retryable=self.retryable
        )

    def json(self) -> dict[str, Any]:
        """Return the report as a batch carries it."""
        if self.verb == "complete":
            return complete_report(self.task, self.output)
        return (
            fail_report(self.task, retryable=self.retryable)
            if self.verb == "fail"
            else release_report(self.task)
        )


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
        self._start(f"f{seed}")

    def _start(self, slug: str) -> None:
        array_input = self.random.random() < 0.6
        steps = random_steps(self.random, array_input)
        returns = self.random.choice([None, self.random.choice(steps).slug])
        self.engine.define_json(definition(slug, steps, returns))
        for _ in range(self.random.choice([1, 1, 2, 3])):
            value = random_input(self.random, array_input)
            started = self.engine.start(slug, value)
            run = self.runs[started.run_id] = Run(steps, returns, value)
            self._settle(started.run_id)
            assert started.status == run.status

    def live_on(self) -> None:
        """Act at random until every run has ended, and a little longer; then finish what was reopened."""
        actions: list[Callable[[], None]] = [self.claim] * 6 + [self.report_one] * 6 + [self.report_batch] * 6
        actions += [self.exchange] * 4 + [self.report_old, self.heartbeat, self.lose] * 2
        actions += [self.cancel, self.retry, self.pause]
        idle = 0
        for _ in range(2000):
            self.random.choice(actions)()
            self._compare_steps()
            idle += not self._running()
            if idle > 10:
                break
        for run_id, run in self.runs.items():
            if run.paused and run.status == "running":
                self._resume(run_id)
        while self._running():
            self.claim()
            self.report_batch()
        self._compare_everything()

    # -- actions -----------------------------------------------------------------------------------

    def claim(self) -> None:
        """Claim some tasks, with a short lease one at a time: which of two losses is first is left open."""
        count = self.random.choice([1, 2, 5, 20])
        kind = self.random.random()
        if kind < 0.3:
            self._launch(count)
        elif kind < 0.6 and self.short is None:
            tasks = self.engine.claim(1, lease=SHORT)
            self._taken(tasks, 1)
            self.short = tasks[0] if tasks else None
        else:
            self._taken(self.engine.claim(count, lease=LONG), count)

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
        tasks = self.engine.claim(count, mode="launch", inputs=self.random.choice(["full", "none"]))
        begun = [task for task in tasks if task.input is None or self.random.random() < 0.5]
        for task in begun:
            handshake = self.engine.begin(task, "here")
            assert handshake.status == "started"
            assert task.input in (None, handshake.input)
            tasks[tasks.index(task)] = task._replace(input=handshake.input)
            if self.random.random() < 0.3:
                assert self.engine.begin(task, self.random.choice(["here", "there"])).status != "stale"
        self._taken(tasks, count)

    def _taken(self, tasks: list[Row], count: int) -> None:
        assert len(tasks) <= count
        for task in tasks:
            run = self.runs[task.run_id]
            assert (task.step_slug, task.task_index) in run.queued()
            back = (task.step_slug, task.task_index) in run.back
            attempt, value = run.claim(task.step_slug, task.task_index)
            if back:  # its numbers go on, with or without a gap
                assert task.attempt >= attempt
                run.states[task.step_slug].tasks[task.task_index].attempt = attempt = task.attempt
            assert (task.attempt, task.input) == (attempt, value)
            self.live.append(task)
        if len(tasks) < count:
            assert not any(run.queued() for run in self.runs.values()), "a ready task was not claimed"

    def _outcome(self, task: Row) -> Report:
        verb = self.random.choices(["complete", "fail", "release"], [6, 2, 1])[0]
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
            if _commute(run, mine):
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

    # -- comparison --------------------------------------------------------------------------------

    def _compare_steps(self) -> None:
        found = self.engine.rows(
            "select run_id, step_slug, status, skip_reason from pgflow.step_states where run_id = any(%s)",
            list(self.runs),
        )
        stored = {(row.run_id, row.step_slug): (row.status, row.skip_reason) for row in found}
        modelled = {
            (run_id, slug): (state.status, state.skip_reason)
            for run_id, run in self.runs.items()
            for slug, state in run.states.items()
        }
        assert stored == modelled, {
            key: (stored.get(key), modelled[key]) for key in modelled if stored.get(key) != modelled[key]
        }

    def _compare_everything(self) -> None:
        self._compare_steps()
        for run_id, run in self.runs.items():
            stored = self.engine.stored_run(run_id)
            assert (stored.status, stored.output) == (run.status, run.output)
            assert (stored.error is None) == (run.status == "completed")
            history = self.engine.rows(
                """select step_slug, task_index, attempt, outcome from pgflow.step_task_attempts
                   where run_id = %s""",
                run_id,
            )
            assert {tuple(row[:3]): row.outcome for row in history} == run.history
            for slug, state in run.states.items():
                if state.status == "completed":
                    assert self.engine.step(run_id, slug).output == state.output
                if all(task.status != "reset" for task in state.tasks.values()):
                    self._compare_tasks(run_id, slug)
            assert self.engine.violations(run_id) == []

    def _compare_tasks(self, run_id: UUID, slug: str) -> None:
        modelled = {
            index: (task.status, task.attempt, task.failures)
            for index, task in self.runs[run_id].states[slug].tasks.items()
        }
        stored = {t.task_index: (t.status, t.attempt, t.failures) for t in self.engine.tasks(run_id, slug)}
        assert stored == modelled, f"{slug}: stored {stored}, the oracle has {modelled}"


def _commute(run: Run, reports: list[Report]) -> bool:
    """Whether each of the reports could come first without changing an answer or what becomes of the run."""
    seen = []
    for first in range(len(reports)):
        trial = copy.deepcopy(run)
        order = reports[first:] + reports[:first]
        answers = {id(report): report.apply(trial) for report in order}
        if trial.contested:
            return False
        seen.append(([answers[id(report)] for report in reports], trial.status, trial.output, trial.states))
    return all(outcome == seen[0] for outcome in seen)
