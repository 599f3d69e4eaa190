"""What a reporter does: one call of one verb for one attempt, never a retry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

__all__ = ["Call", "NotWanted", "Refused", "Reporter", "Unavailable", "Verb"]

Verb = Literal["start", "heartbeat", "complete", "fail", "release"]


@dataclass(frozen=True, slots=True)
class Call:
    """The attempt it speaks for, and the verb's own fields as JSON texts: those of the completion API."""

    verb: Verb
    run_id: UUID
    step_slug: str
    task_index: int
    attempt_token: UUID = field(repr=False)
    fields: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class NotWanted(Exception):
    """The attempt is over, or another instance has it: stop, do not retry, say nothing more."""


class Unavailable(Exception):
    """Nobody can say whether it arrived: try again, after `retry_after` seconds if given."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(Exception):
    """The same call will never be accepted."""

    def __init__(self, kind: Literal["too_large", "invalid", "setup"], message: str) -> None:
        super().__init__(message)
        self.kind = kind
        """"setup" if no call can be: a wrong address, a missing right."""


class Reporter(Protocol):
    """Makes calls.  Several threads may call at once."""

    def call(self, call: Call, timeout: float) -> Mapping[str, str]:
        """Make a call that takes at most `timeout` seconds and return the answer's members as JSON texts.

        Raises NotWanted, Unavailable or Refused.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
