"""The watch: one timer for all deadlines, kills and recalls, running only while tasks are open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Final

from pgflow_local import memory
from pgflow_local.board import Board
from pgflow_local.process import State, WorkerProcess
from pgflow_local.settings import LocalSettings
from pgflow_local.slots import SlotState
from pgflow_local.tasks import Fate, LocalTask

__all__ = ["Watch"]

_TICK: Final = 0.05
"""Seconds between two looks: how late a timeout may be."""
_LONG: Final = 0.1
"""Seconds after which a running task no longer counts as short, and nothing is to wait behind it."""
_PATIENCE: Final = 5.0
"""Seconds that a task waits while long ones fill all processes, before other dispatchers may have it."""


_ALLOWANCE: Final = 10.0
"""Seconds beyond the timeout that waiting and importing may take before the handler's start.

The engine counts from the claim and takes a late result only while nobody else has the task; ten seconds is
also what it allows between a handshake and the timeout.
"""


_SHOW_EVERY: Final = 1.0
"""Seconds between two looks at what a running task has written."""
_MEASURING: Final = 0.05
"""Most of a processor's time that measuring memory may take, as a share."""
_MIB: Final = 1_048_576


class Watch:
    """Looks at what the processes say they run (`slots`) and acts on what is overdue."""

    def __init__(self, settings: LocalSettings, board: Board, processes: Collection[WorkerProcess]) -> None:
        self._settings = settings
        self._board = board
        self._processes = processes
        self._timer: asyncio.TimerHandle | None = None
        self._measure_at = 0.0
        self._shown: dict[int, tuple[float, int]] = {}
        """Of running tasks: when their output was shown last, and how much they had written."""

    def wake(self) -> None:
        """Begin to look, unless it does already."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def enforce(self, process: WorkerProcess) -> None:
        """Stop what must stop in this process: what ran too long, and what was cancelled."""
        now = time.monotonic()
        for number, state in process.slots.states().items():
            task = process.pending.get(number)  # None: its result is on the way
            if task is None or process.state is State.STOPPING:
                continue
            fate = self._overdue(task, state, now) if task.fate is None else None
            if fate is not None:
                task.doom(fate, self._settings.grace.total_seconds())
            if task.fate is not None:
                self._stop(process, task, state, now)

    def _tick(self) -> None:
        self._timer = None
        running: set[int] = set()
        for process in list(self._processes):
            if process.pending:
                running.update(process.pending)
                self.enforce(process)
                self._recall(process)
                process.shorten_output()
                self._show_output(process)
        self._limit_memory()
        self._hand_back()
        self._shown = {number: shown for number, shown in self._shown.items() if number in running}
        if self._board.open:
            self.wake()

    def _overdue(self, task: LocalTask, state: SlotState, now: float) -> Fate | None:
        age = now - _since(task, state, now)
        if state.started is None:
            return Fate.IMPORT if age >= self._settings.start_timeout.total_seconds() else None
        silence = task.attempt.heartbeat_timeout
        if age >= task.timeout or now - task.waiting_since >= task.timeout + _ALLOWANCE:
            return Fate.TIMEOUT
        if silence is not None and now - state.heartbeat >= silence.total_seconds():
            return Fate.SILENCE
        return None

    def _stop(self, process: WorkerProcess, task: LocalTask, state: SlotState, now: float) -> None:
        """Cancel a coroutine and kill its process if that does not help; kill all else at once."""
        if task.kill_at is not None:
            if now >= task.kill_at:
                process.stop(0)
        elif state.cancellable:
            task.kill_at = now + task.grace
            process.cancel(task.number)
        else:
            process.stop(task.grace)

    def _recall(self, process: WorkerProcess) -> None:
        """Take back what waits behind long tasks, so that it can start elsewhere."""
        states = process.slots.states()
        if len(states) < (self._settings.concurrency_per_process if process.own is None else 1):
            return
        now = time.monotonic()
        running = [(process.pending.get(number), state) for number, state in states.items()]
        process.stuck = all(task and now - _since(task, state, now) > _LONG for task, state in running)
        if process.stuck and len(process.pending) > len(states) and not process.recalling:
            process.recall()

    def _show_output(self, process: WorkerProcess) -> None:
        """Tell what a long task has written; a process that runs several cannot say whose it is."""
        settings = self._settings
        alone = settings.concurrency_per_process == 1 or process.own is not None
        if not settings.live_log_bytes or not alone:
            return
        now = time.monotonic()
        for number, state in process.slots.states().items():
            task = process.pending.get(number)
            if task is None or state.started is None:
                continue
            shown_at, shown = self._shown.get(number, (state.started, 0))
            if now - shown_at < _SHOW_EVERY:
                continue
            tail, end = process.written(number)
            self._shown[number] = (now, end)
            if end > shown:
                self._board.show(task, tail, end)

    def _limit_memory(self) -> None:
        """Kill what takes more memory than its step allows, with all that it started."""
        limits = [
            (process, process.own, process.own.options.memory_mb * _MIB)
            for process in self._processes
            if process.own is not None and process.own.options.memory_mb is not None and process.pending
        ]
        began = time.monotonic()
        if not limits or began < self._measure_at:
            return
        taken = memory.resident_by_group()
        self._measure_at = began + (time.monotonic() - began) / _MEASURING
        for process, task, limit in limits:
            if taken[process.pid] > limit and task.fate is None:
                task.doom(Fate.MEMORY, 0)
                process.stop(0)

    def _hand_back(self) -> None:
        """Release what has waited long while every process is filled with long tasks."""
        board = self._board
        shared = [process for process in self._processes if process.own is None]
        ready = [process for process in shared if process.state is State.READY]
        alone = [process for process in self._processes if process.own is not None]
        for queue, processes in ((board.waiting, ready), (board.isolated, alone)):
            if _waited_long(queue) and processes and all(process.stuck for process in processes):
                board.release(queue, "NO_ROOM", "long tasks fill every process of this executor")


def _waited_long(queue: Sequence[LocalTask]) -> bool:
    return bool(queue) and time.monotonic() - queue[0].waiting_since >= _PATIENCE


def _since(task: LocalTask, state: SlotState, now: float) -> float:
    """Return when the handler started, or when its module's import was first seen."""
    if state.started is not None:
        return state.started
    if task.loading_since is None:
        task.loading_since = now
    return task.loading_since
