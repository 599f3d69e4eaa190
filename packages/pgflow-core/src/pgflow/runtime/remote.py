"""One attempt from its envelope to its report: handshake, input, handler, report, and nothing more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from pgflow.envelope import Envelope
from pgflow.reporters.choice import reporter_for
from pgflow.reporters.contract import NotWanted, Refused, Reporter
from pgflow.runtime.allowed import allow_list
from pgflow.runtime.context import Task
from pgflow.runtime.delivery import Undelivered
from pgflow.runtime.failures import Failure, failure_of
from pgflow.runtime.heart import Heart, Verdict
from pgflow.runtime.outcome import Outcome
from pgflow.runtime.output import captured
from pgflow.runtime.redaction import Redaction
from pgflow.runtime.reports import Reports
from pgflow.runtime.work import Work

__all__ = ["Event", "Inbox", "run_envelope"]

T = TypeVar("T")

_MARGIN: Final = 2.0
"""Seconds before the platform's end at which the handler is stopped, so that there is time to say so."""
_LAST: Final = 0.5
"""Seconds before the platform's end at which nothing is tried any more."""
_REPORTING: Final = 10.0
"""Seconds that a report is tried for, at least, even if the attempt's own time is up."""
_STARTING: Final = 30.0
"""The same for the handshake: this clock may be ahead of the engine's, which alone decides."""
_CLEAN_UP: Final = 1.0
"""Seconds that a handler has to notice that it is to stop, where somebody waits for its process to end."""
_GRACE: Final = 10.0
"""The same where nobody waits: the run was cancelled."""
_LAST_WORDS: Final = 8.0
"""Seconds that a report is tried for once the process is to end: platforms wait longer before they kill."""


class Event(Enum):
    """What may happen while a handler runs."""

    ENDED = auto()
    STOP = auto()
    """The process is to end: hand the attempt back."""
    CANCELLED = auto()
    STALE = auto()
    """Somebody else has the task, or nobody answered for as long as the lease."""
    DEADLINE = auto()
    ANSWERED = auto()
    """A call to the engine has ended."""


Inbox = SimpleQueue[Event]
"""Where events are put, by any thread and by signal handlers: no lock of Python's is taken."""


def run_envelope(
    envelope: Envelope,
    *,
    instance_id: str,
    remaining: Callable[[], float] | None = None,
    dsn: str | None = None,
    handlers: Sequence[str] | None = None,
    handlers_from: str = "PGFLOW_HANDLERS",
    log_bytes: int = 65_536,
    inbox: Inbox | None = None,
    reporter: Reporter | None = None,
) -> Outcome:
    """Run one attempt and report how it went; raises ConfigError if there is no way to report.

    `instance_id` names this process among all that may get the same envelope.  `remaining` says how many
    seconds the platform still gives.  `handlers` are the patterns of what may run; unless given, what lies
    in the current folder; `handlers_from` says where they are set.  `Event.STOP` in the `inbox` has the
    attempt handed back.  A `reporter` that is given stays open.
    """
    token = envelope.attempt_token
    redaction = Redaction([str(token), token.hex, envelope.report.apikey, dsn])
    with ExitStack() as stack:
        if reporter is None:
            reporter = stack.enter_context(closing(reporter_for(envelope.report, dsn)))
        tail = stack.enter_context(captured(log_bytes))
        reports = Reports(envelope, reporter, tail, redaction)
        refusal = allow_list(handlers, [str(Path.cwd())], handlers_from)
        return _Run(envelope, reports, refusal, remaining, inbox or SimpleQueue()).run(instance_id)


class _Run:
    def __init__(
        self,
        envelope: Envelope,
        reports: Reports,
        refusal: Callable[[str], str | None],
        remaining: Callable[[], float] | None,
        inbox: Inbox,
    ) -> None:
        self._envelope = envelope
        self._reports = reports
        self._inbox = inbox
        self._platform_end = time.monotonic() + (float("inf") if remaining is None else remaining())
        self._heart = Heart(reports.beat, envelope.heartbeat_timeout_seconds, self._is_over)
        self._work = Work(envelope.handler, refusal, lambda: inbox.put(Event.ENDED))
        self._deadline = self._platform_end
        self._ending = threading.Event()
        self._end = float("inf")
        """When the last report is given up, once the process is to end."""

    def run(self, instance_id: str) -> Outcome:
        try:
            until = self._launch_deadline()
            input_json = self._wait_for(lambda: self._reports.start(instance_id, until, self._pause))
            self._pause(0)
        except NotWanted as error:
            return Outcome("stopped", str(error))
        except (Undelivered, Refused) as error:
            return Outcome("undelivered", str(error))
        except _Stopping:
            return self._hand_back("before the handler started")
        now = time.monotonic()
        self._deadline = min(now + self._envelope.timeout_seconds, self._platform_end - _MARGIN)
        self._heart.start(now)
        try:
            self._work.start(self._envelope.params, input_json, self._task())
            return self._conclude(self._next_event())
        finally:
            self._heart.stop()

    def _task(self) -> Task:
        told = self._envelope
        left = timedelta(seconds=self._deadline - time.monotonic())
        return Task(
            run_id=told.run_id,
            flow_slug=told.flow_slug,
            step_slug=told.step_slug,
            task_index=told.task_index,
            attempt=told.attempt,
            deadline=datetime.now(UTC) + left,
            flow_version=told.flow_version,
            host=self._heart,
        )

    def _next_event(self) -> Event:
        try:
            return self._inbox.get(timeout=max(0.0, self._deadline - time.monotonic()))
        except Empty:
            return Event.DEADLINE

    def _conclude(self, event: Event) -> Outcome:
        if event is Event.ENDED:
            return self._report_end()
        if event is Event.STOP:
            self._begin_to_end()
        is_running = not self._stop(_GRACE if event is Event.CANCELLED else _CLEAN_UP)
        if event is Event.DEADLINE:
            outcome = self._fail(self._timed_out())
        elif event is Event.STOP:
            outcome = (
                self._report_end()
                if self._work.output is not None
                else self._hand_back("while the handler ran")
            )
        elif event is Event.CANCELLED:
            outcome = Outcome("stopped", "the run was cancelled")
        else:
            silent = self._heart.is_silent
            outcome = Outcome("undelivered" if silent else "stopped", "the lease was lost")
        return Outcome(outcome.kind, outcome.reason, is_running or outcome.is_running)

    def _report_end(self) -> Outcome:
        output, error, until = self._work.output, self._work.error, self._report_deadline()
        if output is not None:
            return self._tell(lambda: self._reports.complete(output, until))
        assert error is not None
        return self._fail(failure_of(error))

    def _fail(self, failure: Failure) -> Outcome:
        until = self._report_deadline()
        return self._tell(lambda: self._reports.fail(failure, until))

    def _tell(self, report: Callable[[], Outcome]) -> Outcome:
        try:
            return self._wait_for(report, _LAST_WORDS)
        except _Stopping:
            said = "the process was told to end, and nobody took the report"
            return Outcome("undelivered", said, is_running=True)

    def _wait_for(self, call: Callable[[], T], grace: float = 0.0) -> T:
        """Have calls made in a thread: an order to stop must not wait for whoever does not answer.

        Raises _Stopping when the process is to end and the grace, in seconds, is over.
        """
        answer: Future[T] = Future()

        def make() -> None:
            try:
                answer.set_result(call())
            except BaseException as error:  # raised where it is waited for
                answer.set_exception(error)
            self._inbox.put(Event.ANSWERED)

        threading.Thread(target=make, name="pgflow-call", daemon=True).start()
        while True:
            left = self._end - _LAST_WORDS + grace - time.monotonic()
            try:
                event = self._inbox.get(timeout=max(0.0, left) if self._ending.is_set() else None)
            except Empty:
                raise _Stopping from None
            if event is Event.STOP:
                self._begin_to_end()
            elif event is Event.ANSWERED and answer.done():
                return answer.result()

    def _hand_back(self, when: str) -> Outcome:
        told = {"code": "SHUTDOWN", "message": f"the process that ran the attempt was told to end {when}"}
        failure = Failure(told, "release", retryable=True, retry_after_seconds=None)
        return self._fail(failure)

    def _begin_to_end(self) -> None:
        if not self._ending.is_set():
            self._end = time.monotonic() + _LAST_WORDS
            self._ending.set()

    def _timed_out(self) -> Failure:
        timeout = self._envelope.timeout_seconds
        message = f"not finished within {timeout:g} s"
        if self._deadline == self._platform_end - _MARGIN:
            message = f"the platform ends this process within less than the step's timeout of {timeout:g} s"
        told = {"code": "TIMEOUT", "message": message}
        return Failure(told, "fail", retryable=True, retry_after_seconds=None)

    def _stop(self, grace: float) -> bool:
        """Have the handler stop; returns whether it did."""
        can_notice = self._work.cancel() or self._heart.heartbeat() != "ok"
        until = time.monotonic() + (grace if can_notice else 0.0)
        while not self._work.has_ended and (left := until - time.monotonic()) > 0:
            try:
                if self._inbox.get(timeout=left) is Event.STOP:
                    break
            except Empty:
                break
        return self._work.has_ended

    def _is_over(self, verdict: Verdict) -> None:
        self._inbox.put(Event.CANCELLED if verdict == "cancel" else Event.STALE)

    def _pause(self, seconds: float) -> None:
        """Wait before the handshake is tried again, unless the process is to end."""
        if self._ending.wait(seconds):
            raise _Stopping

    def _launch_deadline(self) -> float:
        left = (self._envelope.launch_deadline - datetime.now(UTC)).total_seconds()
        return min(time.monotonic() + max(left, _STARTING), self._platform_end - _MARGIN)

    def _report_deadline(self) -> float:
        return min(max(self._deadline, time.monotonic() + _REPORTING), self._platform_end - _LAST, self._end)


class _Stopping(Exception):
    """The process is to end."""
