"""A child process that leads its own session, so that a signal reaches all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import IO

__all__ = ["Child"]


class Child(asyncio.SubprocessProtocol):
    """Started once; `ended` is called once, after the leader is gone and the rest of its group was killed."""

    def __init__(self, ended: Callable[[int], None]) -> None:
        self._ended = ended
        self._transport: asyncio.SubprocessTransport | None = None
        self.pid = 0

    async def spawn(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: IO[bytes],
        files: Sequence[int],
    ) -> None:
        """Start it (by exec, in a new session) with `files` open; raises OSError if it cannot be started."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.subprocess_exec(
            lambda: self,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=files,
            env=environment,
            start_new_session=True,
        )
        self.pid = self._transport.get_pid()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; one that is gone already is no error."""
        if self.pid:
            # macOS answers EPERM for a group of zombies.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def process_exited(self) -> None:
        """Kill what the process left behind, then say that it ended."""
        transport = self._transport
        if transport is None:  # it ended before spawn() returned
            asyncio.get_running_loop().call_soon(self.process_exited)
            return
        self.signal(signal.SIGKILL)
        returncode = transport.get_returncode()
        transport.close()
        self._ended(-1 if returncode is None else returncode)
