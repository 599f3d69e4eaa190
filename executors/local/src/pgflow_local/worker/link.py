"""The worker's end of the socket, and the bell that says that orders must not wait for the handler to end."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, Protocol

from pgflow_local import wire
from pgflow_local.worker import tripwire

__all__ = ["Link", "Orders"]

_RINGS: Final = 4096
"""Most rings of the bell that are read at once."""


class Orders(Protocol):
    """Who carries out what the parent says; called from the thread that reads."""

    def accept(self, tasks: Sequence[wire.Frame]) -> None:
        """Queue tasks."""
        ...

    def cancel(self, number: int) -> None:
        """Cancel a task's coroutine, or do not start it."""
        ...

    def recall(self) -> None:
        """Hand back what has not started."""
        ...

    def stop(self) -> None:
        """Finish what is queued, then end."""
        ...


class Link:
    """The connection to the parent; one thread reads at a time, any may send."""

    def __init__(self, fileno: int, bell: int) -> None:
        self._socket = socket.socket(fileno=fileno)
        self._socket.setblocking(True)
        self._socket.set_inheritable(False)
        self._bell = bell
        os.set_inheritable(bell, False)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)
        self._reader = wire.FrameReader()
        self._lock = threading.Lock()
        self.obeyed = 0
        """How many orders were read for which the parent rings the bell."""

    def send(self, frame: bytes) -> None:
        """Send a frame whole; ends the process if the parent is gone."""
        try:
            with self._lock:
                self._socket.sendall(frame)
        except OSError as error:
            _end(error)

    def close(self) -> None:
        """Say that nothing more comes."""
        self._socket.shutdown(socket.SHUT_WR)

    def fileno(self) -> int:
        """Return what is readable when the parent has said something."""
        return self._socket.fileno()

    def read(self, orders: Orders) -> None:
        """Wait for what the parent says next and pass it on; ends the process if the parent is gone."""
        try:
            # A blocking read would wake up, besides, whenever the parent takes in what was sent to it.
            self._readable.poll()
            count = self._socket.recv_into(self._reader.room())
        except OSError as error:
            _end(error)
        if not count:
            tripwire.die()
        frames = self._reader.take(count)
        tasks = [frame for frame in frames if frame.kind == wire.TASK]
        if tasks:
            orders.accept(tasks)
        if len(tasks) != len(frames):
            self._obey(orders, frames)

    def listen(self, rung: Callable[[int], None]) -> None:
        """Wait for the bell in a thread of its own from now on, and say how often it has rung in all.

        The thread, too, ends the process when the parent is gone, whatever the handler does.
        """
        threading.Thread(target=self._listen, args=(rung,), name="pgflow-link", daemon=True).start()

    def _listen(self, rung: Callable[[int], None]) -> None:
        rings = 0
        while heard := self._hear():
            rings += heard
            rung(rings)
        tripwire.die()

    def _hear(self) -> int:
        try:
            return len(os.read(self._bell, _RINGS))
        except OSError as error:
            _end(error)

    def _obey(self, orders: Orders, frames: Sequence[wire.Frame]) -> None:
        for frame in frames:
            if frame.kind == wire.CANCEL:
                self.obeyed += 1
                orders.cancel(frame.number)
            elif frame.kind == wire.RECALL:
                self.obeyed += 1
                orders.recall()
            elif frame.kind == wire.STOP:
                orders.stop()


def _end(error: OSError) -> NoReturn:
    if error.errno == errno.EBADF:
        tripwire.cut_off()
    tripwire.die()
