"""What is said to the engine of one attempt, until it is heard or time is up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from pgflow.envelope import Envelope
from pgflow.jsontext import storable
from pgflow.reporters.contract import Call, NotWanted, Refused, Reporter, Verb
from pgflow.runtime.delivery import Undelivered, deliver
from pgflow.runtime.failures import Failure
from pgflow.runtime.outcome import Outcome
from pgflow.runtime.output import Tail
from pgflow.runtime.redaction import Redaction

__all__ = ["Reports"]

_KINDS: Final[Mapping[str, Literal["completed", "failed", "released"]]] = {
    "complete": "completed",
    "fail": "failed",
    "release": "released",
}
_CODES: Final = {"too_large": "OUTPUT_TOO_LARGE", "invalid": "OUTPUT_INVALID"}
_SHORT: Final = 500
"""Characters of a message that is told when the whole error was refused."""


class Reports:
    """Speaks for one attempt."""

    def __init__(self, envelope: Envelope, reporter: Reporter, tail: Tail, redaction: Redaction) -> None:
        self._envelope = envelope
        self._reporter = reporter
        self._tail = tail
        self._redaction = redaction

    def start(self, instance_id: str, until: float, pause: Callable[[float], None]) -> str:
        """Make the handshake and return the input.  Raises NotWanted, Refused or Undelivered."""
        fields = {"instance_id": json.dumps(instance_id)}
        answer = deliver(self._reporter, self._call("start", fields), until, pause)
        return self._envelope.input or answer.get("input", "{}")

    def beat(self, fields: Mapping[str, str], timeout: float) -> Mapping[str, str]:
        """Send one heartbeat, once."""
        return self._reporter.call(self._call("heartbeat", fields), timeout)

    def complete(self, output: str, until: float) -> Outcome:
        """Report the result; one that nobody can store is a failure, told once."""
        try:
            return self._complete(output, until)
        except Refused as error:
            if error.kind == "setup":
                return Outcome("undelivered", str(error))
            told = {"code": _CODES[error.kind], "message": self._redaction.text(storable(str(error)))}
        return self.fail(Failure(told, "fail", retryable=False, retry_after_seconds=None), until)

    def fail(self, failure: Failure, until: float) -> Outcome:
        """Report a failure or hand the attempt back; what is refused is told again in few words."""
        error = self._redaction.error(failure.error)
        fields = {
            "error": json.dumps(error),
            "retry_after_seconds": json.dumps(failure.retry_after_seconds),
        }
        if failure.outcome == "fail":
            fields["retryable"] = json.dumps(failure.retryable)
        try:
            return self._deliver(failure.outcome, {**fields, **self._log_tail()}, until)
        except Refused as refused:
            if refused.kind == "setup":
                return Outcome("undelivered", str(refused))
        fields["error"] = json.dumps({"code": error["code"], "message": str(error["message"])[:_SHORT]})
        try:
            return self._deliver(failure.outcome, fields, until)
        except Refused as refused:
            return Outcome("undelivered", str(refused))

    def _complete(self, output: str, until: float) -> Outcome:
        tail = self._log_tail()
        try:
            return self._deliver("complete", {"output": output, **tail}, until)
        except Refused as error:
            if error.kind != "too_large" or not tail:
                raise
        return self._deliver("complete", {"output": output}, until)

    def _deliver(self, verb: Verb, fields: Mapping[str, str], until: float) -> Outcome:
        try:
            answer = deliver(self._reporter, self._call(verb, fields), until)
        except NotWanted as error:
            return Outcome("stopped", str(error))
        except Undelivered as error:
            return Outcome("undelivered", str(error))
        status: Any = json.loads(answer.get("status", "null"))
        # An output that is too large for the engine is answered "failed".
        return Outcome("failed" if status == "failed" else _KINDS[verb], f"the engine answers {status!r}")

    def _log_tail(self) -> dict[str, str]:
        tail = self._tail.take().decode(errors="replace")
        return {"log_tail": json.dumps(self._redaction.text(storable(tail)))} if tail else {}

    def _call(self, verb: Verb, fields: Mapping[str, str]) -> Call:
        told = self._envelope
        return Call(verb, told.run_id, told.step_slug, told.task_index, told.attempt_token, fields)
