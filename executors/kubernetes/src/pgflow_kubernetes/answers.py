"""What an error of the API server says about a launch: a pure function of the error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

from pgflow.errors import ConfigError
from pgflow.executor import Rejected, Unknown

from pgflow_kubernetes.cluster import NoAnswer, NotSent, Refused

__all__ = ["REMOTE", "judge"]

REMOTE: Final = (Refused, NotSent, NoAnswer, ConfigError)
"""What a call may raise."""

_QUOTA: Final = timedelta(seconds=10)
_LONGEST_WAIT: Final = timedelta(hours=1)
_SHOWN: Final = 500

Kind = Literal["transient", "permanent", "operator"]

_KINDS: Final[Mapping[int, tuple[Kind, str]]] = {
    401: ("operator", "; mend the credentials of the dispatcher"),
    403: ("operator", "; mend the Role of the dispatcher"),
    404: ("operator", "; does the namespace exist?"),
    # Another writer was faster, as the quota controller: the object is not there, nor was it.
    409: ("transient", ""),
}


def judge(error: Exception) -> Rejected | Unknown:
    """Say whether what was asked for surely did not happen, or may have."""
    if isinstance(error, Refused):
        return _judge_answer(error)
    if isinstance(error, NotSent):
        return Rejected("transient", f"nothing was sent: {error}")
    if isinstance(error, ConfigError):
        return Rejected("operator", str(error))
    return Unknown(str(error))


def _judge_answer(error: Refused) -> Rejected | Unknown:
    said = str(error)[:_SHOWN]
    wait = _wait(error.retry_after)
    if error.status == 403 and "exceeded quota" in error.message:
        return Rejected("throttled", f"{said}; raise the ResourceQuota, or lower max_in_flight", _QUOTA)
    if error.status == 429 or (error.status == 503 and wait is not None):
        return Rejected("throttled", said, wait)
    if error.status >= 500:
        return Unknown(said)
    kind, mend = _KINDS.get(error.status, ("permanent", ""))
    return Rejected(kind, said + mend)


def _wait(text: str | None) -> timedelta | None:
    """Read Retry-After, which the API server gives in seconds."""
    if text is None or not text.strip().isdecimal():
        return None
    return min(timedelta(seconds=int(text)), _LONGEST_WAIT)
