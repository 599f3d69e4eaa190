"""The end of the parent ends this process and all that it started, whatever it is doing.

The tripwire is a pipe that only the parent can write to, and never does.  When the parent is gone, in
whatever way, the kernel closes the pipe.  On Linux the kernel itself then sends SIGKILL to our process
group, even while C code holds the interpreter's lock.  Elsewhere the thread that waits for the parent's bell
does it, as soon as it can run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from typing import NoReturn

__all__ = ["arm", "cut_off", "die"]

_ORPHANED = 75


def arm(fileno: int) -> None:
    """Ask the kernel to kill this process group when the other end of the pipe closes."""
    os.set_inheritable(fileno, False)
    if sys.platform == "linux" and os.getpgrp() == os.getpid():
        with contextlib.suppress(OSError):  # some sandboxes do not know these calls; the thread remains
            fcntl.fcntl(fileno, fcntl.F_SETOWN, -os.getpgrp())
            fcntl.fcntl(fileno, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(fileno, fcntl.F_SETFL, fcntl.fcntl(fileno, fcntl.F_GETFL) | os.O_ASYNC)


def die() -> NoReturn:
    """Kill this process group: the parent is gone."""
    if os.getpgrp() == os.getpid():
        with contextlib.suppress(OSError):
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(_ORPHANED)


def cut_off() -> NoReturn:
    """End, because user code closed what leads to the parent; it lives, and kills the rest of the group."""
    with contextlib.suppress(OSError):
        os.write(2, b"pgflow: the handler closed the worker's connection to the dispatcher\n")
    os._exit(_ORPHANED)
