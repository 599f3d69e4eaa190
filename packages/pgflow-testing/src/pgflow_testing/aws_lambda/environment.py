"""One execution environment: a process of AWS's runtime client, and the Runtime API that it asks for work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pgflow_testing.aws_lambda.function import Function
from pgflow_testing.aws_lambda.log import Log
from pgflow_testing.aws_lambda.runtime_client import only_the_client
from pgflow_testing.wire import Listener, Request, Response

__all__ = ["Answer", "Environment", "Invocation"]

_API: Final = "/2018-06-01/runtime"
_PASSED_ON: Final = ("HOME", "LANG", "PATH", "PYTHONPATH", "TMPDIR")
_LOOK_SECONDS: Final = 0.05
"""Between two looks at the memory of a process."""
_LAST_WORDS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way to a process."""

    request_id: str
    arn: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an invocation."""

    payload: bytes
    failed: bool = False
    """`payload` is an error: the function raised it, or its process ended."""
    log_tail: bytes = field(default=b"", repr=False)


class Environment:
    """Runs invocations one after the other; between them the process is frozen, as at AWS."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.invocation: Invocation | None = None
        """What it is working at."""
        self._waiting: asyncio.Queue[Invocation] = asyncio.Queue()
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._api = Listener(self._respond)
        self._process: asyncio.subprocess.Process | None = None
        self._watchers: set[asyncio.Task[None]] = set()
        self._log = Log()
        self._log_readers: set[asyncio.Task[None]] = set()
        self._init_error: bytes | None = None
        self._killed_for: str | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it can take another invocation."""
        return self._process is not None and self._process.returncode is None and self._killed_for is None

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the process; that it cannot import its handler is the answer to its first invocation."""
        address = await self._api.open()
        isolation = ["-S", "-s"] if self.function.isolated else []
        records, sink = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *isolation,
                "-m",
                "awslambdaric",
                self.function.handler,
                cwd=self.function.folder,
                env={**_variables(self.function, address), "_LAMBDA_TELEMETRY_LOG_FD": str(sink)},
                pass_fds=[sink],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                # A group of its own in our session: were we killed, the kernel would hang up a frozen one.
                process_group=0,
            )
        finally:
            os.close(sink)
            self._log_readers.add(asyncio.create_task(self._log.read_records(records)))
        assert self._process.stdout is not None
        self._log_readers.add(asyncio.create_task(self._log.read(self._process.stdout)))
        self._watch(self._watch_memory())

    async def run(self, invocation: Invocation) -> Answer:
        """Hand over one invocation; if the process ends over it, the answer is the one that AWS gives."""
        assert self._process is not None
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._log.clear()
        self.invocation = invocation
        self._waiting.put_nowait(invocation)
        ended = asyncio.create_task(self._process.wait())
        ended.add_done_callback(lambda _: answer.cancel())
        await asyncio.wait({answer})
        ended.cancel()
        self.invocation = None
        if not answer.cancelled():
            return answer.result()
        return Answer(self._epitaph(invocation), failed=True, log_tail=await self._log.tail())

    async def close(self) -> None:
        """Kill the process."""
        self.kill("closed")
        await self._api.close()
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        if self._process is not None:
            await self._process.wait()
        if self._log_readers:
            # A process that left the group may hold the pipes; nobody waits for it.
            await asyncio.wait(self._log_readers, timeout=_LAST_WORDS_SECONDS)

    def kill(self, reason: str) -> None:
        """Kill the process, frozen or not."""
        self._killed_for = self._killed_for or reason
        self._signal(signal.SIGKILL)

    async def _respond(self, request: Request) -> Response:
        kind = request.path.removeprefix(_API).rpartition("/")[2]
        if kind == "next":
            return await self._next()
        if request.path == f"{_API}/init/error":
            self._init_error = request.body
        elif self.invocation is not None and self.invocation.request_id in request.path:
            tail = await self._log.tail()
            if not self._answer.done():
                self._answer.set_result(Answer(request.body, failed=kind == "error", log_tail=tail))
        else:
            return Response(400, b'{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}')
        return Response(202, b'{"status":"OK"}')

    async def _next(self) -> Response:
        if self._waiting.empty():
            self._signal(signal.SIGSTOP)
        invocation = await self._waiting.get()
        self._signal(signal.SIGCONT)
        self._watch(self._watch_time(self._answer))
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.function.timeout) * 1000)),
        }
        return Response(200, invocation.payload, headers)

    def _epitaph(self, invocation: Invocation) -> bytes:
        """Say in AWS's words why there is no answer."""
        if self._init_error is not None:
            return self._init_error
        assert self._process is not None
        code = self._process.returncode or 0
        kind, what = "Runtime.ExitError", f"Runtime exited with error: exit status {code}"
        if self._killed_for == "time":
            kind, what = "Sandbox.Timedout", f"Task timed out after {self.function.timeout:.2f} seconds"
        elif code < 0:
            what = f"Runtime exited with error: signal: {str(signal.strsignal(-code)).lower()}"
        message = f"RequestId: {invocation.request_id} Error: {what}"
        return json.dumps({"errorType": kind, "errorMessage": message}).encode()

    def _watch(self, watching: Coroutine[Any, Any, None]) -> None:
        watcher = asyncio.create_task(watching)
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def _watch_time(self, answer: asyncio.Future[Answer]) -> None:
        await asyncio.wait({answer}, timeout=self.function.timeout)
        if not answer.done():
            self.kill("time")

    async def _watch_memory(self) -> None:
        limit = self.function.memory_mb * 2**20 // os.sysconf("SC_PAGE_SIZE")
        while _pages(self.pid) < limit:  # noqa: ASYNC110  nobody tells of memory
            await asyncio.sleep(_LOOK_SECONDS)
        self.kill("memory")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def _pages(pid: int) -> int:
    """Return how much memory a process uses; nothing once it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0


def _variables(function: Function, address: str) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    if function.isolated:
        kept["PYTHONPATH"] = str(only_the_client())
    return {
        **kept,
        **function.environment,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_REGION": "eu-west-1",
        "LAMBDA_TASK_ROOT": str(function.folder),
        "TZ": ":UTC",
        "_HANDLER": function.handler,
    }
