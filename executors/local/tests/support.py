"""An executor with real processes, driven as the dispatcher drives it."""

import asyncio
import contextlib
import json
import logging
import re
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from pgflow.executor import Accepted, Attempt, ExecutorContext, HandleRef, Phase
from pgflow_local.settings import LocalStepOptions

HANDLERS = Path(__file__).parent / "handlers"
PATIENCE = 180.0


async def until(condition, what="the condition"):
    """Wait until it holds; the deadline is for broken code, not for slow machines."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about in {PATIENCE} s"
        await asyncio.sleep(0.005)
    return value


def alive(pid):
    """A zombie is dead: it runs nothing."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children():
    """The worker processes of this test process."""
    return {int(pid) for thread in Path("/proc/self/task").iterdir() for pid in _children_of(thread)}


def _children_of(thread):
    try:
        return (thread / "children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # the thread has ended since it was listed
        return []


def wakeups(pid):
    """How often the threads of a process have waited for something."""
    statuses = [(thread / "status").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(
        int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.MULTILINE)[1]) for text in statuses
    )


def open_files():
    """What this process has open, by where it leads to."""
    opened = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            opened[re.sub(r"\d+", "N", str(descriptor.readlink()))] += 1
    return opened


class Local:
    """A running executor and the reports it made."""

    def __init__(self, executor, pythonpath):
        self.executor = executor
        self.pythonpath = pythonpath
        self.reports = defaultdict(list)
        self.count = 0
        self.heard = lambda: None
        self.progress = []
        self.edited = lambda _, body: dict(body)
        self.log = logging.getLogger("pgflow.test")

    async def start(self, settings):
        await self.executor.start(
            ExecutorContext(
                name="local",
                worker_id="w",
                settings=settings,
                logger=self.log,
                report=self.take,
                progress=lambda attempt, progress: self.progress.append((attempt, progress)),
                pythonpath=self.pythonpath,
                edited=lambda attempt, body: self.edited(attempt, body),  # noqa: PLW0108  set by tests later
            )
        )

    def attempt(
        self, handler, /, *, timeout=60.0, heartbeat_timeout=None, module="deeds", options=None, **arguments
    ):
        """An attempt of a handler in `handlers/` with these arguments."""
        return Attempt(
            run_id=uuid4(),
            flow_slug="shop",
            flow_version=7,
            step_slug="deed",
            step_type="single",
            task_index=0,
            attempt=2,
            attempt_token=uuid4(),
            handler=f"{module}:{handler}",
            params=json.dumps({name: name for name in arguments}),
            input=json.dumps(arguments),
            options=LocalStepOptions.model_validate(options or {}),
            timeout=timedelta(seconds=timeout),
            heartbeat_timeout=None if heartbeat_timeout is None else timedelta(seconds=heartbeat_timeout),
            max_attempts=3,
            failures=0,
            external_id=None,
            lease_expires_at=datetime.now(UTC) + timedelta(seconds=30),
        )

    async def launch(self, handler, /, **options):
        attempt = self.attempt(handler, **options)
        assert isinstance(await self.executor.launch(attempt), Accepted)
        return attempt

    async def ended(self, attempt):
        """The one report of an attempt."""
        await until(lambda: self.reports[attempt.attempt_token], f"a report of {attempt.handler}")
        (report,) = self.reports[attempt.attempt_token]
        return report

    @staticmethod
    def output(report):
        assert report.outcome == "complete", report.error
        return json.loads(report.output)

    async def run(self, handler, /, **arguments):
        return await self.ended(await self.launch(handler, **arguments))

    async def value(self, handler, /, **arguments):
        return self.output(await self.run(handler, **arguments))

    def take(self, report):
        self.count += 1
        self.reports[report.attempt_token].append(report)
        self.heard()

    def is_gone(self, attempt):
        """Whether the executor knows nothing of the attempt any more."""
        return self.executor._observe(self.ref(attempt)).phase is Phase.NOT_FOUND

    def closing(self):
        """Close it, beside the test."""
        return asyncio.create_task(self.executor.aclose())

    async def hurry(self):
        """Make the executor believe in short tasks, so that it lets some wait in the pipes."""
        deadline = time.monotonic() + PATIENCE
        while self.executor.capacity <= 10:
            assert time.monotonic() < deadline, "tasks stayed long"
            await self.run("noop")

    def ref(self, attempt):
        return HandleRef(attempt.run_id, attempt.step_slug, attempt.task_index, attempt.attempt, None)
