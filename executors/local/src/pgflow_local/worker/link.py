"""The worker's end of the socket: a thread reads it, whatever the handlers do; any thread may send."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol

from pgflow_local import wire
from pgflow_local.worker import tripwire

__all__ = ["Link", "Orders"]

_CHUNK = 262_144


class Orders(Protocol):
    """Who carries out what the parent says; called from the reading thread."""

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
    """The connection to the parent."""

    def __init__(self, fileno: int) -> None:
        self._socket = socket.socket(fileno=fileno)
        self._socket.setblocking(True)
        self._socket.set_inheritable(False)
        self._lock = threading.Lock()

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

    def listen(self, orders: Orders) -> None:
        """Read in a thread of its own from now on."""
        threading.Thread(target=self._listen, args=(orders,), name="pgflow-link", daemon=True).start()

    def _listen(self, orders: Orders) -> None:
        reader = wire.FrameReader()
        receive = self._socket.recv
        while data := _receive(receive):
            frames = reader.feed(data)
            tasks = [frame for frame in frames if frame.kind == wire.TASK]
            if tasks:
                orders.accept(tasks)
            if len(tasks) != len(frames):
                self._obey(orders, frames)
        tripwire.die()

    @staticmethod
    def _obey(orders: Orders, frames: Sequence[wire.Frame]) -> None:
        for frame in frames:
            if frame.kind == wire.CANCEL:
                orders.cancel(frame.number)
            elif frame.kind == wire.RECALL:
                orders.recall()
            elif frame.kind == wire.STOP:
                orders.stop()


def _receive(receive: Callable[[int], bytes]) -> bytes:
    try:
        return receive(_CHUNK)
    except OSError as error:
        _end(error)


def _end(error: OSError) -> NoReturn:
    if error.errno == errno.EBADF:
        tripwire.cut_off()
    tripwire.die()
