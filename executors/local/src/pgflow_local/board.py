"""The board: every open task, where it waits or runs, and the report that ends it.

It decides who gets a task and what is said of it; it starts and stops no process.
"""

from __future__ import annotations

import heapq
import json
import logging
import sys
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Any, Final

from pgflow.executor import Attempt, ExecutorContext, HandleRef, Progress, TaskReport, Written
from pgflow.runtime.failures import HANDLER_MISSING_DELAY

from pgflow_local import crash, wire
from pgflow_local.log_files import LogFiles
from pgflow_local.process import State, WorkerProcess
from pgflow_local.settings import LocalSettings
from pgflow_local.tasks import Fate, LocalTask

__all__ = ["Board"]

_AHEAD: Final = 0.05
"""Seconds of work that may wait in a process's pipe: more than a round trip to the database takes."""
_SMOOTHING: Final = 0.1
"""Weight of the latest task in the moving mean of durations."""


Key = tuple[int, str, int, int]
"""Run (as a number, whose hash is C's), step, index and number of an attempt, which is never used again."""


class Board:
    """The open tasks of one executor; all methods run in its event loop."""

    def __init__(
        self, settings: LocalSettings, ctx: ExecutorContext, processes: Collection[WorkerProcess]
    ) -> None:
        self._settings = settings
        self._ctx = ctx
        self._processes = processes
        self._numbers = count(1)
        self._log_files = LogFiles(settings, ctx.logger)
        self._mean: float | None = None
        self._told: set[tuple[str, str]] = set()
        self.closing = False
        self.open: dict[Key, LocalTask] = {}
        self.waiting: deque[LocalTask] = deque()
        self.isolated: deque[LocalTask] = deque()
        """What waits for a process of its own."""

    def ahead(self) -> int:
        """Say how many tasks may wait in the pipe of each process, by how short tasks have been."""
        mean = self._mean
        if mean is None:
            return 0
        room = self._settings.concurrency_per_process * _AHEAD / max(mean, 1e-6)
        return min(self._settings.prefetch, int(room))

    def add(self, attempt: Attempt, now: float, command: Mapping[str, Any] | None) -> bool:
        """Take an attempt in; False if it is open already."""
        task = LocalTask(attempt, next(self._numbers), now, command)
        if self.open.setdefault(_key(attempt), task) is not task:
            return False
        self._queue_of(task).append(task)
        return True

    def find(self, ref: HandleRef) -> LocalTask | None:
        """Find an open attempt by what the core stored of it."""
        return self.open.get(_key(ref))

    def refuse(self, attempt: Attempt, problem: str) -> None:
        """Hand back an attempt that another worker may be able to run."""
        task = LocalTask(attempt, next(self._numbers), 0.0)
        self._tell_missing(task, problem)
        self._ctx.report(task.released("COMMAND_MISSING", problem, retry_after_seconds=HANDLER_MISSING_DELAY))

    def show(self, task: LocalTask, tail: bytes, end: int) -> None:
        """Pass on what a running task has written."""
        self._ctx.written(task.attempt, Written(tail.decode(errors="replace"), end))

    def has(self, task: LocalTask) -> bool:
        """Tell whether the task is open."""
        return _key(task.attempt) in self.open

    def put_back(self, task: LocalTask) -> None:
        """Let a task wait again whose own process could not be started."""
        if self.has(task):
            self._requeue([task])

    def drop(self, task: LocalTask) -> None:
        """Forget a task that no process has."""
        queue = self._queue_of(task)
        if task in queue:  # else its own process is being started
            queue.remove(task)
        self.finish(task, None)

    def process_of(self, task: LocalTask) -> WorkerProcess | None:
        """Find the process that was given the task."""
        return next((process for process in self._processes if task.number in process.pending), None)

    def distribute(self) -> None:
        """Give waiting tasks to the least loaded processes, oldest first."""
        if not self.waiting:
            return
        slots, ahead = self._settings.concurrency_per_process, self.ahead()
        share = self._settings.max_tasks_per_process or sys.maxsize
        ready = [
            process for process in self._processes if process.state is State.READY and process.own is None
        ]
        loads = [(len(process.pending), index) for index, process in enumerate(ready)]
        heapq.heapify(loads)
        while self.waiting and loads:
            load, index = loads[0]
            process = ready[index]
            limit = slots if process.stuck or process.crowded else slots + ahead
            if load >= limit or process.taken >= share:
                heapq.heappop(loads)
            else:
                process.give(self.waiting.popleft())
                heapq.heapreplace(loads, (load + 1, index))
        for process in ready:
            process.flush()
            if process.taken >= share:
                process.retire()

    def received(self, process: WorkerProcess, frames: Sequence[wire.Frame]) -> None:
        """Turn what a process sent into reports."""
        for frame in frames:
            if frame.kind == wire.RETURNED:
                process.recalling = False
                self._take_back(process, json.loads(frame.first))
            elif frame.kind == wire.PROGRESS:
                if (task := process.pending.get(frame.number)) is not None:
                    self._ctx.progress(task.attempt, Progress(**json.loads(frame.first)))
            elif (task := process.pending.pop(frame.number, None)) is not None:
                process.worked, process.stuck = True, False
                self._learn(frame)
                self.finish(task, self._outcome(task, frame))

    def abandoned(self, process: WorkerProcess) -> bool:
        """Settle what a process left when it ended; returns whether it was running any of it.

        Only what really ran is blamed: for a process that we stopped, the task we stopped it for; the
        others it ran are handed back, and what it had not started goes to other processes.
        """
        running = process.slots.states()
        left, process.pending = process.pending, {}
        for number, task in left.items():
            if number in running and task.fate is None:
                self.finish(task, self._lost(task, process))
            elif task.fate is not None:
                self.finish(task, None, process.output())
        self._requeue([task for number, task in left.items() if number not in running and task.fate is None])
        return any(number in running for number in left)

    def finish(self, task: LocalTask, report: TaskReport | None, log_tail: str | None = None) -> None:
        """Close the task with the report; one whose fate was decided before keeps only its log tail."""
        del self.open[_key(task.attempt)]
        if task.fate is Fate.CANCEL:
            return
        if task.fate is not None:
            report = task.overdue(task.fate, log_tail if report is None else report.log_tail)
        if report is not None:
            self._ctx.report(self._log_files.keep(task.attempt, report))

    def release_waiting(self, code: str, message: str, retry_after_seconds: float | None = None) -> None:
        """Hand back every task that no process has."""
        for queue in (self.waiting, self.isolated):
            self.release(queue, code, message, retry_after_seconds)

    def release(
        self, queue: deque[LocalTask], code: str, message: str, retry_after_seconds: float | None = None
    ) -> None:
        """Hand back what waits in one of the queues."""
        while queue:
            task = queue.popleft()
            self.finish(task, task.released(code, message, retry_after_seconds=retry_after_seconds))

    def _outcome(self, task: LocalTask, frame: wire.Frame) -> TaskReport:
        log_tail = frame.second.decode(errors="replace") if frame.second else None
        if frame.kind == wire.COMPLETED:
            return task.completed(frame.first.decode(), log_tail)
        answer: dict[str, Any] = json.loads(frame.first)
        if answer["outcome"] == "release":
            error = answer["error"]
            self._tell_missing(task, error["message"], error.get("traceback", ""))
        return task.ended(log_tail=log_tail, **answer)

    def _tell_missing(self, task: LocalTask, message: str, traceback: str = "") -> None:
        """Log the first of the same kind for all to see; a map step may bring thousands."""
        seen = (task.attempt.handler, message) in self._told
        self._told.add((task.attempt.handler, message))
        told = f"{message}\n{traceback}".rstrip()
        self._ctx.logger.log(logging.DEBUG if seen else logging.ERROR, "handed back %s: %s", task, told)

    def _lost(self, task: LocalTask, process: WorkerProcess) -> TaskReport:
        output = process.output()
        if self.closing:
            return task.released("SHUTDOWN", "the executor shut down while the handler ran", log_tail=output)
        if process.stopped:
            message = "the worker process was stopped because of another task that it ran"
            return task.released("PROCESS_STOPPED", message, log_tail=output)
        self._ctx.logger.warning("%s: the worker process %s", task, process.ending())
        error = crash.crashed(process.ending(), output)
        return task.ended("fail", error, log_tail=output)

    def _take_back(self, process: WorkerProcess, numbers: Sequence[int]) -> None:
        returned = [process.pending.pop(number) for number in numbers if number in process.pending]
        for task in returned:
            if task.fate is not None:
                self.finish(task, None)
        self._requeue([task for task in returned if task.fate is None])

    def _requeue(self, tasks: Sequence[LocalTask]) -> None:
        """Put tasks that never started in front again, in their order."""
        for task in reversed(tasks):
            self._queue_of(task).appendleft(task)
        if self.closing:
            self.release_waiting("SHUTDOWN", "the executor shut down before the handler started")

    def _queue_of(self, task: LocalTask) -> deque[LocalTask]:
        return self.isolated if task.is_isolated else self.waiting

    def _learn(self, frame: wire.Frame) -> None:
        if frame.micros:
            seconds, mean = frame.micros / 1e6, self._mean
            self._mean = seconds if mean is None else mean + _SMOOTHING * (seconds - mean)


def _key(attempt: Attempt | HandleRef) -> Key:
    return attempt.run_id.int, attempt.step_slug, attempt.task_index, attempt.attempt
