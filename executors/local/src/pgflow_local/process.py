"""One worker process as the parent sees it: given tasks, listened to, stopped, and buried.

It knows nothing of deadlines or of other processes; `ProcessOwner` is told what happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol, cast

from pgflow_local import crash, log, spawn, wire
from pgflow_local.child import Child
from pgflow_local.settings import LocalSettings
from pgflow_local.slots import Slots
from pgflow_local.tasks import LocalTask

__all__ = ["Plan", "ProcessOwner", "State", "WorkerProcess"]

_LAST_WORDS: Final = 1.0
"""Seconds to read on after the process ended: a child that left its group may hold the stream open."""
_CROWDED: Final = 1_048_576
"""Bytes on the way to a process above which nothing is prefetched into it."""


class State(Enum):
    """Where a process stands."""

    STARTING = auto()
    READY = auto()
    RETIRING = auto()
    """It finishes what it has, takes nothing new and exits."""
    STOPPING = auto()
    """It was told to stop by a signal."""
    ENDED = auto()


class ProcessOwner(Protocol):
    """Whom a process tells what happens, always from the event loop."""

    def ready(self, process: WorkerProcess) -> None:
        """Learn that it takes tasks from now on."""
        ...

    def received(self, process: WorkerProcess, frames: Sequence[wire.Frame]) -> None:
        """Take the frames it sent about its tasks."""
        ...

    def ended(self, process: WorkerProcess) -> None:
        """Learn that it is gone with its group; `pending` is what it did not finish."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What every process of a pool is started with."""

    executor: str
    settings: LocalSettings
    pythonpath: Sequence[Path]


class WorkerProcess(asyncio.BufferedProtocol):
    """A worker process; made once, started once."""

    def __init__(self, plan: Plan, owner: ProcessOwner, own: LocalTask | None = None) -> None:
        self._plan = plan
        self._owner = owner
        self.own = own
        """The only task it will ever run, for a process that was started for one."""
        self.state = State.STARTING
        self.returncode: int | None = None
        self.was_ready = False
        self.stopped = False
        """It was sent a signal from here."""
        self.dismissed = False
        """Its end is our doing: by signal, or because it had its share of tasks."""
        self.pending: dict[int, LocalTask] = {}
        self.taken = 0
        """Tasks it was ever given."""
        self.worked = False
        """It ended a task: what happens to it later is no fault of how it is started."""
        self.stuck = False
        """Long tasks fill its slots: nothing is to wait behind them."""
        self.recalling = False
        self.deaf = False
        """It closed its connection and lived on."""
        self._child = Child(self._exited)
        self._reader = wire.FrameReader()
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        self._connection: asyncio.Transport | None = None
        self._connected = False
        self._timer: asyncio.TimerHandle | None = None
        self._dropped = (0, 0)
        """The task whose output was shortened, and by how many bytes."""
        self._files = contextlib.ExitStack()

    async def start(self) -> None:
        """Start the process; raises OSError or ValueError.  `owner.ready` says when it is up."""
        try:
            await self._start()
        except (OSError, ValueError):
            self.state = State.ENDED
            self._close()
            raise
        if self.state is State.STARTING:
            seconds = self._plan.settings.start_timeout.total_seconds()
            self._timer = asyncio.get_running_loop().call_later(seconds, self.stop, 0)

    async def _start(self) -> None:
        settings = self._plan.settings
        with contextlib.ExitStack() as passed:
            tripwire, _ = self._pipe(passed)
            bell, self._bell = self._pipe(passed)
            os.set_blocking(self._bell, False)
            slots_file = passed.enter_context(Slots.file(settings.concurrency_per_process))
            self.slots = self._files.enter_context(
                contextlib.closing(Slots(slots_file.fileno(), settings.concurrency_per_process))
            )
            self._log = self._files.enter_context(log.log_file())
            ours, theirs = socket.socketpair()
            passed.enter_context(theirs)
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
            files = (theirs.fileno(), bell, slots_file.fileno(), tripwire)
            await self._child.spawn(
                spawn.command(self._plan.executor, settings, self._plan.pythonpath, files),
                environment=spawn.environment(os.environ, settings.pass_environment),
                output=self._log,
                files=files,
            )

    def _pipe(self, passed: contextlib.ExitStack) -> tuple[int, int]:
        """Make a pipe whose write end this process alone has: when it dies, the kernel closes it."""
        read_end, write_end = os.pipe()
        passed.callback(os.close, read_end)
        self._files.callback(os.close, write_end)
        return read_end, write_end

    @property
    def pid(self) -> int:
        """The process id, which is also its group's; 0 before it started."""
        return self._child.pid

    @property
    def crowded(self) -> bool:
        """So much is on the way to it that only an idle slot justifies more."""
        on_the_way = 0 if self._connection is None else self._connection.get_write_buffer_size()
        return on_the_way + self._outbox_bytes > _CROWDED

    def output(self) -> str:
        """Return the tail of what the running task, or the process itself, wrote."""
        return log.tail(self._log.fileno(), self._plan.settings.captured_bytes).decode(errors="replace")

    def ending(self) -> str:
        """Say in words how it ended."""
        if self.deaf:
            return "closed its connection to the dispatcher and was killed"
        return crash.ending(-1 if self.returncode is None else self.returncode)

    def written(self, number: int) -> tuple[bytes, int]:
        """Return the last bytes that the running task wrote, and how many it wrote in all."""
        size = self.output_size()
        limit = min(size, self._plan.settings.live_log_bytes)
        dropped = self._dropped[1] if self._dropped[0] == number else 0
        return os.pread(self._log.fileno(), limit, size - limit), size + dropped

    def output_size(self) -> int:
        """Return how many bytes its output takes up."""
        return os.fstat(self._log.fileno()).st_size

    def shorten_output(self) -> None:
        """Keep a task that writes without end from filling the disk."""
        before = self.output_size()
        log.shorten(self._log.fileno(), self._plan.settings.captured_bytes)
        if (cut := before - self.output_size()) > 0:
            number = next(iter(self.slots.states()), 0)
            known = self._dropped[1] if self._dropped[0] == number else 0
            self._dropped = (number, known + cut)

    def give(self, task: LocalTask) -> None:
        """Put the task in the process's outbox; `flush` sends it."""
        self.pending[task.number] = task
        self.taken += 1
        frame = task.frame()
        self._outbox.append(frame)
        self._outbox_bytes += len(frame)

    def flush(self) -> None:
        """Send the outbox in one write."""
        if self._outbox:
            self._send(b"".join(self._outbox))
            self._outbox.clear()
            self._outbox_bytes = 0

    def cancel(self, number: int) -> None:
        """Ask for the task's coroutine to be cancelled, or for it not to be started."""
        self._order(wire.encode(wire.CANCEL, number))

    def recall(self) -> None:
        """Ask for the tasks that have not started; they come back as a RETURNED frame."""
        self.recalling = True
        self._order(wire.encode(wire.RECALL))

    def retire(self) -> None:
        """Let it finish what it has and exit."""
        if self.state in (State.STARTING, State.READY):
            self.state = State.RETIRING
            self.dismissed = True
            self._send(wire.encode(wire.STOP))

    def stop(self, grace: float) -> None:
        """Send SIGTERM to the group, and SIGKILL after `grace` seconds; at once for 0."""
        if self.state is State.ENDED:
            return
        self.state = State.STOPPING
        self.stopped = self.dismissed = True
        self._cancel_timer()
        if grace > 0:
            self._child.signal(signal.SIGTERM)
            self._timer = asyncio.get_running_loop().call_later(grace, self._child.signal, signal.SIGKILL)
        else:
            self._child.signal(signal.SIGKILL)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection (asyncio's callback)."""
        self._connection = cast("asyncio.Transport", transport)
        self._connected = True

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to receive to (asyncio's callback)."""
        del sizehint
        return self._reader.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Pass frames on (asyncio's callback)."""
        frames = self._reader.take(nbytes)
        if frames and frames[0].kind == wire.READY:
            del frames[0]
            self.was_ready = True
            if self.state is State.STARTING:
                self._cancel_timer()
                self.state = State.READY
                self._owner.ready(self)
        if frames:
            self._owner.received(self, frames)

    def eof_received(self) -> bool:
        """Take the end of the stream (asyncio's callback).

        Our side stays open until the process is gone: closing it is what tells an orphan to die, and user
        code may still be at work in exit handlers.
        """
        self._heard_out()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the loss of the connection (asyncio's callback)."""
        del exc
        self._heard_out()

    def _heard_out(self) -> None:
        """Nothing more comes from the process: it exits, or is made to."""
        self._connected = False
        if self.returncode is not None:
            self._end()
        elif self.state not in (State.STOPPING, State.ENDED):
            grace = self._plan.settings.grace.total_seconds()
            self._cancel_timer()
            self._timer = asyncio.get_running_loop().call_later(grace, self._cut_off)

    def _order(self, frame: bytes) -> None:
        """Send what must not wait for the handler to end, and ring for somebody to read it."""
        self._send(frame)
        with contextlib.suppress(OSError):  # it is gone, or has not heard thousands of rings
            os.write(self._bell, wire.RING)

    def _send(self, data: bytes) -> None:
        if self._connection is not None and not self._connection.is_closing():
            self._connection.write(data)

    def _cut_off(self) -> None:
        """Kill a process that lives on without a connection; user code may have closed it."""
        self.deaf = True
        self._child.signal(signal.SIGKILL)

    def _exited(self, returncode: int) -> None:
        self.returncode = returncode
        self._cancel_timer()
        if self._connected:  # the last results may still be in the socket
            self._timer = asyncio.get_running_loop().call_later(_LAST_WORDS, self._end)
        else:
            self._end()

    def _end(self) -> None:
        if self.state is not State.ENDED:
            self.state = State.ENDED
            self._hang_up()  # first: it takes a turn of the loop, and so does who waits for this end
            self._owner.ended(self)
            self._close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._cancel_timer()
        self._hang_up()
        self._files.close()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.abort()
