"""What a run must do, in plain Python: a model of the design that shares no code with the engine.

Time is left out: a retry is ready at once, and a lease is lost when the test says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = Any

LIVE = ("pending", "running")
LAUNCHES = 5
ENDED_WELL = ("completed", "skipped")


@dataclass(frozen=True)
class Step:
    """A step as defined, options filled in."""

    slug: str
    deps: tuple[str, ...] = ()
    map_over: str | None = None
    needs_run_input: bool = False
    max_attempts: int = 3
    when_exhausted: str = "fail"
    max_failures: int = 0
    required: Json = None
    forbidden: Json = None
    when_unmet: str = "skip"


@dataclass
class Task:
    """One task: a single step's, or a map's for one item."""

    item: Json = None
    status: str = "queued"
    attempt: int = 0
    failures: int = 0
    launch_failures: int = 0
    launched: bool = False
    """Claimed for another place, where it has not begun."""
    instance: str | None = None
    lost: bool = False
    output: Json = None
    ended_by: dict[int, str] = field(default_factory=dict)


@dataclass
class State:
    """One step of one run."""

    status: str = "pending"
    skip_reason: str | None = None
    output: Json = None
    tasks: dict[int, Task] = field(default_factory=dict)


class Run:
    """One run of a flow."""

    def __init__(self, steps: list[Step], returns: str | None, value: Json) -> None:
        self.steps = {step.slug: step for step in steps}
        self.returns = returns
        self.input = value
        self.status = "running"
        self.output: Json = None
        self.states = {step.slug: State() for step in steps}
        self.paused = False
        self.history: dict[tuple[str, int, int], str] = {}
        """How each attempt ended that did not complete in time."""
        self.gone: dict[tuple[str, int], int] = {}
        """The last attempt of items that a rerun map no longer has."""
        self.back: set[tuple[str, int]] = set()
        """Items of such a map that are new, or that came back."""
        self.contested: set[str] = set()
        """Steps that ended in the same instant as the one that failed the run: how is not promised."""
        self._advance()

    # -- verbs -------------------------------------------------------------------------------------

    def queued(self) -> set[tuple[str, int]]:
        """Return the tasks that may be claimed."""
        return {
            (slug, index)
            for slug, state in self.states.items()
            for index, task in state.tasks.items()
            if self.status == state.status == "running" and task.status == "queued" and not self.paused
        }

    def claim(self, slug: str, index: int, *, launched: bool = False) -> tuple[int, Json]:
        """Claim a task, to run it or to launch it elsewhere; return its attempt and its input."""
        task = self.states[slug].tasks[index]
        self.back.discard((slug, index))
        task.status, task.lost, task.attempt = "running", False, task.attempt + 1
        task.launched, task.instance = launched, None
        return task.attempt, self.input_of(slug, index)

    def input_of(self, slug: str, index: int) -> Json:
        """Return what the handler of a task receives; null if there is no such task."""
        step, task = self.steps[slug], self.states[slug].tasks.get(index)
        if task is None:
            return None
        value = {dep: self.states[dep].output for dep in step.deps if self._is(dep, "completed")}
        value.pop(step.map_over, None)
        if step.needs_run_input:
            value["run"] = self.input
        if step.map_over:
            value["item"] = task.item
        return value

    def begin(self, slug: str, index: int, attempt: int, instance: str) -> str:
        """Begin a launched attempt in some place; return the answer."""
        task = self.states[slug].tasks.get(index)
        if task is None:
            return "unknown"
        if task.attempt != attempt or task.status != "running":
            return "stale"
        if not task.launched:
            return "started" if task.instance == instance else "conflict"
        task.launched, task.instance = False, instance
        return "started"

    def launch(self, slug: str, index: int, attempt: int, outcome: str, kind: str | None) -> str:
        """Record what became of a launch; return the answer."""
        task = self.states[slug].tasks.get(index)
        if task is None or task.attempt != attempt or task.status != "running":
            return "stale"
        if outcome != "rejected":
            return outcome
        if not task.launched:
            return "stale"
        if kind == "throttled":
            self.history[slug, index, attempt] = "released"
            task.status = "queued"
            return "requeued"
        return self._fail_launch(slug, index, task, retryable=kind == "transient")

    def lose(self, slug: str, index: int) -> None:
        """Let the lease of an attempt expire, and somebody notice it."""
        task = self.states[slug].tasks[index]
        if task.status == "running" and task.launched:
            self._fail_launch(slug, index, task, retryable=True)
        elif task.status == "running":
            task.lost = True
            self.history[slug, index, task.attempt] = "lost"
            self._spend(slug, task, retryable=True)

    def heartbeat(self, slug: str, index: int, attempt: int) -> str:
        """Return what the heartbeat of an attempt is told."""
        task = self.states[slug].tasks.get(index)
        if task is None or task.attempt != attempt:
            return "stale"
        if task.status == "cancelled" and self.history.get((slug, index, attempt)) in ("cancelled", "lost"):
            return "cancel"
        return "ok" if task.status == "running" else "stale"

    def report(self, slug: str, index: int, attempt: int, verb: str, output: Json, *, retryable: bool) -> str:
        """Report an attempt; return the answer."""
        task = self.states[slug].tasks.get(index)
        if task is None:
            return "unknown"
        if task.ended_by.get(attempt) == verb:
            return "duplicate"
        alive = task.status == "running" or (task.status == "queued" and task.lost)
        if attempt != task.attempt or not alive:
            return "stale"
        task.ended_by[attempt] = verb
        outcome = "late" if task.lost else {"fail": "failed", "release": "released"}.get(verb)
        if outcome:
            self.history[slug, index, attempt] = outcome
        if verb == "release":
            task.status, task.lost = "queued", False
            return "released"
        if verb == "fail":
            return self._spend(slug, task, retryable=retryable)
        task.status, task.output, task.lost = "completed", output, False
        self._step_done(slug)
        return "completed"

    def cancel(self) -> str:
        """Cancel the run."""
        if self.status != "running":
            return "already_ended"
        self._close("cancelled")
        return "cancelled"

    def retry(self, from_step: str | None) -> None:
        """Reopen the run where it stopped, or from a step on."""
        reruns = self._downstream({from_step} if from_step else set(), lambda _: True)
        broken = {slug for slug, state in self.states.items() if state.status in ("failed", "cancelled")}
        if from_step is None:
            broken |= {slug for slug in self.states if self._failed_in_vain(slug)}
        reopened = self._downstream(broken, lambda slug: not self._is(slug, "completed")) | reruns
        self.status, self.output, self.paused = "running", None, False
        for slug in reopened:
            state = self.states[slug]
            state.status, state.skip_reason, state.output = "pending", None, None
            for task in state.tasks.values():
                if slug in reruns or task.status != "completed":
                    task.status, task.failures, task.lost, task.output = "reset", 0, False, None
                    task.launch_failures = 0
        for slug, step in self.steps.items():  # what a step that stays skipped had skipped stays skipped
            if self._is(slug, "pending") and any(self._cascades(dep) for dep in step.deps):
                self._skip(slug, "dependency_skipped", cascade=False)
        self._advance()

    # -- what follows from what --------------------------------------------------------------------

    def _spend(self, slug: str, task: Task, *, retryable: bool) -> str:
        """End an attempt that failed; a lost one was counted when it was lost."""
        if task.status == "running":
            task.failures += 1
        else:
            task.lost = False
        if retryable and task.failures < self.steps[slug].max_attempts:
            task.status = "queued"
            return "retrying"
        task.status, task.lost = "failed", False
        self._task_failed(slug)
        return "failed"

    def _fail_launch(self, slug: str, index: int, task: Task, *, retryable: bool) -> str:
        """End an attempt that never began; it costs launches, not tries."""
        self.history[slug, index, task.attempt] = "launch_failed"
        task.launch_failures += 1
        if retryable and task.launch_failures < LAUNCHES:
            task.status = "queued"
            return "requeued"
        task.status = "failed"
        self._task_failed(slug)
        return "failed"

    def _task_failed(self, slug: str) -> None:
        step, state = self.steps[slug], self.states[slug]
        failed = sum(task.status == "failed" for task in state.tasks.values())
        if step.map_over and failed <= step.max_failures:
            self._step_done(slug)
            return
        self._cancel_tasks(slug)
        if step.when_exhausted == "fail":
            state.status = "failed"
            self._close("failed")
        else:
            self._skip(slug, "handler_failed", cascade=step.when_exhausted == "skip_cascade")
            self._advance()

    def _step_done(self, slug: str) -> None:
        state = self.states[slug]
        if all(task.status in ("completed", "failed") for task in state.tasks.values()):
            outputs = [state.tasks[index].output for index in sorted(state.tasks)]
            state.status = "completed"
            state.output = outputs if self.steps[slug].map_over else outputs[0]
            self._advance()

    def _advance(self) -> None:
        """Start what can start, layer by layer, and end the run when nothing is left."""
        waiting = {slug for slug in self.states if self._is(slug, "pending")}
        while ready := [slug for slug in self.states if self._is_ready(slug)]:
            for slug in ready:
                self._start(slug)
            if any(self._is(slug, "failed") for slug in ready):
                self.contested |= waiting
                self._close("failed")
                return
        if not any(state.status in LIVE for state in self.states.values()):
            self.status = "completed"
            self.output = self._value()

    def _start(self, slug: str) -> None:
        step, state = self.steps[slug], self.states[slug]
        if not self._holds(step):
            if step.when_unmet == "fail":
                state.status = "failed"
            else:
                self._skip(slug, "condition_unmet", cascade=step.when_unmet == "skip_cascade")
            return
        items = self._items(step)
        if not isinstance(items, list):
            state.status = "failed"
            return
        state.status = "running"
        for index, item in enumerate(items):
            if index not in state.tasks and any(name == slug for name, _ in self.gone):
                self.back.add((slug, index))
            task = state.tasks.setdefault(index, Task(attempt=self.gone.get((slug, index), 0)))
            task.item = item
            if task.status == "reset":
                task.status = "queued"
        for index in [index for index in state.tasks if index >= len(items)]:
            self.gone[slug, index] = state.tasks.pop(index).attempt
        if not items or all(task.status == "completed" for task in state.tasks.values()):
            state.status, state.output = "completed", [task.output for task in state.tasks.values()]

    def _items(self, step: Step) -> Json:
        if step.map_over is None:
            return [None]
        if step.map_over == "run":
            return self.input
        return [] if self._is(step.map_over, "skipped") else self.states[step.map_over].output

    def _holds(self, step: Step) -> bool:
        known = {dep: self.states[dep].output for dep in step.deps if self._is(dep, "completed")}
        known["run"] = self.input
        required = step.required is None or contains(known, step.required)
        return required and (step.forbidden is None or not contains(known, step.forbidden))

    def _skip(self, slug: str, reason: str, *, cascade: bool) -> None:
        state = self.states[slug]
        state.status, state.skip_reason = "skipped", reason
        if cascade:
            for dependent in self._downstream({slug}, lambda _: True) - {slug}:
                self.states[dependent].status = "skipped"
                self.states[dependent].skip_reason = "dependency_skipped"

    def _cascades(self, slug: str) -> bool:
        step, reason = self.steps[slug], self.states[slug].skip_reason
        if reason == "handler_failed":
            return step.when_exhausted == "skip_cascade"
        return reason == "dependency_skipped" or (
            reason == "condition_unmet" and step.when_unmet == "skip_cascade"
        )

    def _failed_in_vain(self, slug: str) -> bool:
        """Whether a step was skipped for its failure, and nothing was completed without it."""
        later = self._downstream({slug}, lambda _: True)
        return self.states[slug].skip_reason == "handler_failed" and not any(
            self._is(other, "completed") for other in later
        )

    def _close(self, status: str) -> None:
        self.status = status
        for slug, state in self.states.items():
            if state.status in LIVE:
                state.status = "cancelled"
                self._cancel_tasks(slug)

    def _cancel_tasks(self, slug: str) -> None:
        for index, task in self.states[slug].tasks.items():
            if task.status == "running":
                self.history[slug, index, task.attempt] = "cancelled"
            if task.status in ("queued", "running"):
                task.status, task.lost = "cancelled", False

    def _value(self) -> Json:
        inner = {dep for step in self.steps.values() for dep in step.deps}
        shown = [slug for slug in self.states if slug not in inner or slug == self.returns]
        return {slug: self.states[slug].output for slug in shown if self._is(slug, "completed")} or None

    def _downstream(self, slugs: set[str], passes: Any) -> set[str]:
        found = set(slugs)
        for slug, step in self.steps.items():  # dependencies come first
            if found & set(step.deps) and passes(slug):
                found.add(slug)
        return found

    def _is(self, slug: str, status: str) -> bool:
        return self.states[slug].status == status

    def _is_ready(self, slug: str) -> bool:
        return self._is(slug, "pending") and all(
            self.states[dep].status in ENDED_WELL for dep in self.steps[slug].deps
        )


def contains(whole: Json, part: Json) -> bool:
    """Whether PostgreSQL would say `whole @> part`, inside an object."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return all(any(contains(candidate, value) for candidate in whole) for value in part)
    if isinstance(whole, bool) or isinstance(part, bool):
        return whole is part
    return not isinstance(part, (dict, list)) and not isinstance(whole, (dict, list)) and whole == part
