"""Say why a worker process ended, in words that help whoever reads the task's error."""

from __future__ import annotations

import signal
from typing import Any, Final

__all__ = ["crashed", "ending"]

_LINES: Final = 20
_CHARACTERS: Final = 4096
_HINTS: Final = {
    signal.SIGKILL: " and PGFlow did not send it: perhaps the kernel's out-of-memory killer did, see `dmesg`",
    signal.SIGSEGV: ": a bug in C code that the handler calls",
    signal.SIGBUS: ": a bug in C code, or a mapped file that shrank",
    signal.SIGABRT: ": C code called abort()",
    signal.SIGXCPU: ": its limit of processor time is spent",
}


def ending(returncode: int) -> str:
    """Describe an exit code as `subprocess` gives it."""
    if returncode >= 0:
        return f"exited with code {returncode}"
    try:
        number = signal.Signals(-returncode)
    except ValueError:
        return f"was killed by signal {-returncode}"
    return f"was killed by {number.name}{_HINTS.get(number, '')}"


def crashed(how: str, output: str) -> dict[str, Any]:
    """Return the error of a task whose process ended under it, with the last lines it wrote."""
    message = f"the worker process {how}"
    last = "\n".join(output.splitlines()[-_LINES:])[-_CHARACTERS:]
    if last:
        message += f"; its last output was:\n{last}"
    return {"code": "CRASHED", "message": message}
