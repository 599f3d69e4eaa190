"""A reference: a remote place in memory, and an executor for it that keeps the whole contract.

`Cluster` is the remote place and its `FaultBackend`; its jobs are threads that report over HTTP, as code in
a pod or a function does.  `ClusterExecutor` is what a third party would write.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import threading
import urllib.request
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPException
from typing import Any, ClassVar, Final, cast

from pgflow.envelope import Envelope
from pgflow.executor import (
    API_VERSION,
    Accepted,
    Attempt,
    Capability,
    ExecutorContext,
    HandleRef,
    LaunchResult,
    Observation,
    Phase,
    Rejected,
    Unknown,
)
from pgflow.runtime import Task, failure_of, run_handler
from pydantic import BaseModel, ConfigDict

from pgflow_testing.executor_suite.backend import FaultBackend

__all__ = ["Cluster", "ClusterExecutor", "ClusterSettings", "ClusterStepOptions"]

_PAGE: Final = 500
_JOIN_SECONDS: Final = 20.0
_LARGEST: Final = 1_000_000
"""Bytes of a request."""


class AlreadyExists(Exception):
    """A job of this name was created before."""


class Busy(Exception):
    """Too many requests; come again after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"too many requests, come again in {retry_after:g} s")
        self.retry_after = retry_after


class NotPossible(Exception):
    """The request will never be taken."""


class NotAllowed(Exception):
    """The rights are missing."""


class ConnectionDropped(Exception):
    """The request went out, and no answer came."""


@dataclass(eq=False)
class Job:
    """One copy of an attempt's code, in a thread."""

    uid: str
    envelope: Envelope = field(repr=False)
    phase: Phase = Phase.PENDING
    dead: bool = False
    awake: threading.Event = field(default_factory=threading.Event, repr=False)
    thread: threading.Thread = field(init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _in_handler: bool = False

    def start(self) -> None:
        """Begin to run."""
        self.awake.set()
        self.thread = threading.Thread(target=self._run, name=f"job {self.uid}", daemon=True)
        self.thread.start()

    def kill(self) -> None:
        """Stop it where it stands, also inside the handler; nothing is reported."""
        self.dead = True
        self.awake.set()
        with self._lock:
            if self._in_handler and self.thread.ident is not None:
                raised_in = ctypes.c_ulong(self.thread.ident)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(raised_in, ctypes.py_object(SystemExit))

    def _enter(self, *, handler: bool) -> None:
        # A request must not be torn off halfway: only the handler is interrupted.
        with self._lock:
            if self.dead:
                raise SystemExit
            self._in_handler = handler

    def _run(self) -> None:
        self.phase = Phase.RUNNING
        succeeded = False
        with contextlib.suppress(SystemExit):
            succeeded = self._work()
        self.phase = Phase.EXITED_OK if succeeded and not self.dead else Phase.EXITED_ERROR

    def _work(self) -> bool:
        """Shake hands, run the handler, report; tell whether all of it went well."""
        given = self._post("start", instance_id=self.uid)
        if given is None:
            return False
        envelope = self.envelope
        task = Task(
            envelope.run_id,
            envelope.flow_slug,
            envelope.step_slug,
            envelope.task_index,
            envelope.attempt,
        )
        self._enter(handler=True)
        try:
            output = run_handler(
                envelope.handler, envelope.params, json.dumps(given["input"] or {}), task=task
            )
            self._enter(handler=False)
        except Exception as error:
            self._enter(handler=False)
            failure = failure_of(error)
            return self._post("fail", error=failure.error, retryable=failure.retryable) is not None
        return self._post("complete", output=json.loads(output)) is not None

    def _post(self, verb: str, **fields: Any) -> dict[str, Any] | None:
        """Call the completion API; None if the attempt is over, or this job is."""
        self.awake.wait()
        if self.dead:
            return None
        envelope = self.envelope
        address = {"run_id": str(envelope.run_id), "step_slug": envelope.step_slug}
        body = json.dumps({**address, "task_index": envelope.task_index, **fields}).encode()
        headers = {
            "Authorization": f"Bearer {envelope.attempt_token}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(  # noqa: S310  an http URL of our own
            f"{envelope.report.url}v1/tasks/{verb}", body, headers
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                answer: dict[str, Any] = json.load(response)
        except (OSError, HTTPException):  # the attempt is over, or the API is
            return None
        return answer


class Cluster(FaultBackend):
    """A remote place that runs a job for each name, and does what a test tells it."""

    all: ClassVar[dict[str, Cluster]] = {}
    """By name, as settings name them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.jobs: dict[str, Job] = {}
        self._copies: dict[str, list[Job]] = {}
        self._requests: Counter[str] = Counter()
        self._reads = 0
        self._error: Exception | None = None
        self._drops = False
        self._late = 0.0
        self._twice = False
        self.all[name] = self

    async def create(self, name: str, body: str) -> str:
        """Run a job of this name unless there is one; return its uid."""
        envelope = Envelope.parse(body)
        self._requests[_key(envelope)] += 1
        error, self._error = self._error, None
        late, self._late = self._late, 0.0
        drops, self._drops = self._drops, False
        await asyncio.sleep(0)
        if error is None and len(body) > _LARGEST:
            error = NotPossible(f"a request takes at most {_LARGEST} bytes")
        if error is not None:
            raise error
        if name in self.jobs:
            raise AlreadyExists
        job = self._begin(name, envelope)
        if self._twice:
            self._twice = False
            self._begin(name, envelope)
        await asyncio.sleep(late)
        if drops:
            raise ConnectionDropped
        return job.uid

    async def list(self, names: Sequence[str]) -> Mapping[str, Job]:
        """Return the jobs of at most a page of names."""
        if len(names) > _PAGE:
            raise NotPossible(f"a page has at most {_PAGE} names")
        self._reads += 1
        await asyncio.sleep(0)
        return {name: self.jobs[name] for name in names if name in self.jobs}

    async def delete(self, name: str) -> None:
        """End a job and forget it; no error if there is none."""
        await asyncio.sleep(0)
        job = self.jobs.pop(name, None)
        if job is not None:
            job.kill()
            await asyncio.to_thread(job.thread.join, _JOIN_SECONDS)

    def drop_response(self) -> None:
        """See FaultBackend."""
        self._drops = True

    def delay(self, seconds: float) -> None:
        """See FaultBackend."""
        self._late = seconds

    def throttle(self, retry_after: float) -> None:
        """See FaultBackend."""
        self._error = Busy(retry_after)

    def refuse(self) -> None:
        """See FaultBackend."""
        self._error = NotPossible("there is no such image")

    def deny(self) -> None:
        """See FaultBackend."""
        self._error = NotAllowed("the role may not create jobs")

    def duplicate_delivery(self) -> None:
        """See FaultBackend."""
        self._twice = True

    def delete_remote(self, attempt: Attempt) -> None:
        """See FaultBackend."""
        for name, job in list(self.jobs.items()):
            if _key(job.envelope) == _key(attempt):
                self.jobs.pop(name).kill()

    def kill_task(self, attempt: Attempt) -> None:
        """See FaultBackend."""
        for job in self._copies[_key(attempt)]:
            job.kill()

    def freeze(self, attempt: Attempt) -> None:
        """See FaultBackend."""
        for job in self._copies[_key(attempt)]:
            job.awake.clear()

    def requests(self, attempt: Attempt) -> int:
        """See FaultBackend."""
        return self._requests[_key(attempt)]

    def executions(self, attempt: Attempt) -> int:
        """See FaultBackend."""
        return len(self._copies.get(_key(attempt), ()))

    def reads(self) -> int:
        """See FaultBackend."""
        return self._reads

    def exposed(self) -> str:
        """See FaultBackend."""
        return " ".join([*self.jobs, *(job.uid for copies in self._copies.values() for job in copies)])

    def _begin(self, name: str, envelope: Envelope) -> Job:
        job = Job(uuid.uuid4().hex, envelope)
        self.jobs[name] = job
        self._copies.setdefault(_key(envelope), []).append(job)
        job.start()
        return job


class ClusterSettings(BaseModel):
    """The keys of an `[executors.<name>]` table with `use = "cluster"`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cluster: str
    request_timeout: float = 10.0
    """Seconds until a request counts as unanswered."""
    capacity: int = 100


class ClusterStepOptions(BaseModel):
    """What a step may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ClusterExecutor:
    """Runs attempts as jobs of a `Cluster`; implements `pgflow.executor.Executor`."""

    name: ClassVar[str] = "cluster"
    Settings: ClassVar[type[BaseModel]] = ClusterSettings
    StepOptions: ClassVar[type[BaseModel]] = ClusterStepOptions
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.IDEMPOTENT_LAUNCH, Capability.OBSERVE, Capability.CANCEL}
    )
    api_version: ClassVar[int] = API_VERSION

    def __init__(self) -> None:
        self.ctx: ExecutorContext | None = None

    @property
    def settings(self) -> ClusterSettings:
        """The operator's settings."""
        return cast("ClusterSettings", self._context.settings)

    @property
    def cluster(self) -> Cluster:
        """The remote place."""
        return Cluster.all[self.settings.cluster]

    @property
    def capacity(self) -> int:
        """How many attempts may be under way at once."""
        return self.settings.capacity if self.ctx else 0

    async def start(self, ctx: ExecutorContext) -> None:
        """Keep what the dispatcher lends."""
        self.ctx = ctx

    async def aclose(self) -> None:
        """Let go of it; jobs go on without us."""
        self.ctx = None

    async def launch(self, attempt: Attempt) -> LaunchResult:
        """Create the job whose name the core has stored: created twice it is still one."""
        name, body = self.job_name(attempt), self.body(attempt)
        try:
            async with asyncio.timeout(self.settings.request_timeout):
                uid = await self.cluster.create(name, body)
        except AlreadyExists:
            return Accepted({"v": 1, "name": name}, adopted=True)
        except Busy as error:
            return Rejected("throttled", str(error), timedelta(seconds=error.retry_after))
        except NotPossible as error:
            return Rejected("permanent", str(error))
        except NotAllowed as error:
            return Rejected("operator", str(error))
        except (TimeoutError, ConnectionDropped) as error:
            return Unknown(f"no answer to the creation of job {name}: {type(error).__name__}")
        return Accepted({"v": 1, "name": name, "uid": uid})

    async def observe(self, refs: Sequence[HandleRef]) -> Sequence[Observation]:
        """List the jobs, a page at a time."""
        found: dict[str, Job] = {}
        names = [ref.external_id or "" for ref in refs]
        for start in range(0, len(names), _PAGE):
            found.update(await self.cluster.list(names[start : start + _PAGE]))
        phases = [found[name].phase if name in found else Phase.NOT_FOUND for name in names]
        return [Observation(ref, phase) for ref, phase in zip(refs, phases, strict=True)]

    async def cancel(self, ref: HandleRef, grace: timedelta) -> None:
        """Delete the job; there may be none."""
        del grace  # a job of this cluster has none
        await self.cluster.delete(ref.external_id or "")

    def job_name(self, attempt: Attempt) -> str:
        """Name the job: by what the core has committed, never by chance."""
        return attempt.external_id or ""

    def body(self, attempt: Attempt) -> str:
        """Write what the job is given; its input it fetches."""
        target = self._context.report_to
        if target is None:
            raise RuntimeError("jobs have nowhere to report to: set [api] public_url")
        return Envelope.of(attempt, target, inline_input=False).to_json()

    @property
    def _context(self) -> ExecutorContext:
        if self.ctx is None:
            raise RuntimeError("the executor is not started")
        return self.ctx


def _key(of: Attempt | Envelope) -> str:
    return f"{of.run_id}.{of.step_slug}.{of.task_index}.{of.attempt}"
