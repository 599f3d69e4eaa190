"""A dispatcher in a process of its own, which ends with its parent however that ends."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pgflow.cli._problems import Failure
from pgflow.cli._session import IS_CHILD, Session

__all__ = ["DispatcherProcess", "environment_for"]

_STOP_SECONDS: Final = 60.0
_TAIL_LINES: Final = 12
#: A line of the log, and the lines below it that begin no other one: a traceback.
_WARNING: Final = re.compile(r"\d\d:\d\d:\d\d (?:WARNING|ERROR|CRITICAL) +(.*(?:\n(?!\d\d:\d\d:\d\d ).*)*)")


def environment_for(dsn: str) -> dict[str, str]:
    """Give the environment of a child that works on this database; arguments are for everybody to read."""
    return {**os.environ, "PGFLOW_DSN": dsn, IS_CHILD: "1"}


class DispatcherProcess:
    """Runs `pgflow dispatch` on a database until it is stopped.

    Its standard input is a pipe from this process: when that closes, the dispatcher stops, so a parent
    that is killed leaves nothing behind.  With `quiet` what it says can be read here, else it goes to stderr.
    """

    def __init__(self, dsn: str, session: Session, *, quiet: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pgflow-") if quiet else None
        self._read = 0
        options = session.repeated_options(as_json=session.as_json and not quiet)
        if quiet:
            options += ["--log-format", "text"]  # what `warnings` reads
        with ExitStack() as stack:
            log = stack.enter_context(self._log().open("wb")) if quiet else None
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pgflow.cli", "dispatch", "--until-eof", *options],
                stdin=subprocess.PIPE,
                stdout=log or sys.stderr,
                stderr=log,
                env=environment_for(dsn),
                start_new_session=True,  # Ctrl-C is for the parent, which stops the dispatcher in its turn
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def check(self) -> None:
        """Raise Failure if the dispatcher has ended by itself."""
        code = self._process.poll()
        if code is None:
            return
        said = "\n".join(self._said(0).splitlines()[-_TAIL_LINES:])
        raise Failure(
            f"the dispatcher ended with exit code {code}" + (f":\n{said}" if said else ""),
            mend="`pgflow dispatch` shows all that it says",
        )

    def warnings(self) -> list[str]:
        """Return what the dispatcher warned of since the last call."""
        said, _, _ = self._said(self._read).rpartition("\n")
        self._read += len(said.encode()) + 1 if said else 0
        return _WARNING.findall(said)

    def stop(self) -> None:
        """Let the dispatcher finish or hand back what it runs, and wait for its end; Ctrl-C hurries it."""
        process = self._process
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except KeyboardInterrupt:
            process.terminate()
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._folder is not None:
            self._folder.cleanup()

    def _said(self, start: int) -> str:
        if self._folder is None:
            return ""
        # Opened anew: the position of the child's own handle is where it writes.
        with self._log().open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")

    def _log(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name, "dispatcher.log")
