"""What an answer of the functions' gateway, or of a function, says about the launch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, cast

from pgflow.executor import Accepted, LaunchResult, Rejected, Unknown

__all__ = ["Answer", "judge"]

_DEPLOYING: Final = timedelta(seconds=15)
"""Until a function that is not there is asked again: its launches last over a minute of deploying."""
_LONGEST_WAIT: Final = timedelta(hours=1)
_QUOTED: Final = 300
_UNFIT: Final = re.compile(r"[^\x20-\x7e]+")

Kind = Literal["throttled", "transient", "permanent", "operator"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, headers with lower-case names, and at most 64 KiB of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Mapping[str, Any]:
        """The body if it is a JSON object, else nothing."""
        try:
            value: object = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}

    @property
    def code(self) -> str:
        """What the platform or our package calls the problem."""
        return self.headers.get("sb-error-code") or str(self.json.get("code", ""))


def judge(answer: Answer, attempt: str) -> LaunchResult:
    """Say whether the attempt was accepted, surely did not start, or may have."""
    if answer.status in {200, 202}:
        return _accepted(answer, attempt)
    if answer.status in _KINDS:
        kind, mend = _KINDS[answer.status]
        return Rejected(kind, _said(answer, mend), _wait(answer) if kind == "throttled" else None)
    special = _SPECIAL.get(answer.status)
    if special is not None:
        return special(answer)
    if 300 <= answer.status < 400:
        return Rejected("permanent", _said(answer, "redirects are not followed: mend `url`"))
    if answer.status >= 500:
        return Unknown(_said(answer, "the function may have run"))
    return Rejected("permanent", _said(answer, "no function of @pgflow/edge answers so"))


def _accepted(answer: Answer, attempt: str) -> LaunchResult:
    if answer.json.get("accepted") != attempt:
        mend = "not an answer of @pgflow/edge: does `function` name the right one?"
        return Rejected("permanent", _said(answer, f"BAD_CONTRACT: {mend}"))
    instance = str(answer.json.get("instance", ""))[:200]
    region = answer.headers.get("x-sb-edge-region")
    return Accepted({"v": 1, "instance": instance, **({"region": region} if region else {})})


def _missing(answer: Answer) -> LaunchResult:
    return Rejected("transient", _said(answer, "the function is not deployed"), _DEPLOYING)


def _not_understood(answer: Answer) -> LaunchResult:
    if answer.code == "HANDLER_MISSING":
        return Rejected("transient", _said(answer, "deploy the function with the step's handler"), _DEPLOYING)
    return Rejected("permanent", _said(answer, "the function does not read this envelope"))


def _unavailable(answer: Answer) -> LaunchResult:
    if answer.code in {"", "BOOT_ERROR"}:
        return Rejected("transient", _said(answer, "the function did not boot"), _wait(answer))
    return Unknown(_said(answer, "the function may have run"))


_KINDS: Final[Mapping[int, tuple[Kind, str]]] = {
    401: ("operator", "mend key, key_kind or signing_secret, and verify_jwt of the function"),
    403: ("operator", "mend key, key_kind or signing_secret, and verify_jwt of the function"),
    405: ("permanent", "the function takes no POST: is it one of @pgflow/edge?"),
    413: ("permanent", "the envelope is too large for the function"),
    429: ("throttled", "the project's rate limit"),
}
_SPECIAL: Final[Mapping[int, Callable[[Answer], LaunchResult]]] = {
    404: _missing,
    422: _not_understood,
    503: _unavailable,
}


def _said(answer: Answer, mend: str) -> str:
    """Quote what tells most of an answer, in plain characters."""
    told = str(answer.json.get("message") or answer.json.get("msg") or "") or answer.body[:_QUOTED].decode(
        errors="replace"
    )
    words = [f"HTTP {answer.status}", answer.code, _UNFIT.sub(" ", told)[:_QUOTED].strip()]
    return f"{' '.join(word for word in words if word)}; {mend}"


def _wait(answer: Answer) -> timedelta | None:
    """Read Retry-After: seconds or a date."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        wait = (
            timedelta(seconds=int(text))
            if text.isdecimal()
            else parsedate_to_datetime(text) - datetime.now(UTC)
        )
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, timedelta()), _LONGEST_WAIT)
