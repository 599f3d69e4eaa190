"""The envelope: what an executor hands to the remote place that is to run an attempt."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pgflow import jsontext
from pgflow.errors import EnvelopeInvalid
from pgflow.jsonb import is_object

if TYPE_CHECKING:
    from pgflow.executor import Attempt

__all__ = ["ENVELOPE_VERSION", "Envelope", "ReportTarget"]

ENVELOPE_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class ReportTarget:
    """Where the task reports to.  Raises ValueError, with the mend, for what no runtime could use."""

    kind: Literal["http", "postgrest", "postgres"]
    """The completion API, PostgREST, or the database itself by the PGFLOW_DSN of the task's environment."""
    url: str | None = None
    """What stands before "v1/tasks/" (`http`) or "rpc/" (`postgrest`); ends in a slash."""
    apikey: str | None = field(default=None, repr=False)
    """For `postgrest`: the key its gateway asks for."""

    def __post_init__(self) -> None:
        if self.kind not in {"http", "postgrest", "postgres"}:
            raise ValueError(f"kind must be http, postgrest or postgres, not {self.kind!r}")
        if self.apikey is not None and self.kind != "postgrest":
            raise ValueError(f"apikey goes with kind postgrest, not with {self.kind}")
        if self.kind == "postgres":
            if self.url is not None:
                raise ValueError("kind postgres takes no url: the task has the DSN in its own PGFLOW_DSN")
            return
        object.__setattr__(self, "url", _base_url(self.kind, self.url))

    @classmethod
    def read(cls, value: object) -> ReportTarget:
        """Take it from decoded JSON; raises ValueError."""
        if not is_object(value) or not isinstance(value.get("kind"), str):
            raise ValueError('must be an object with a "kind"')
        url, apikey = (_optional(_text)(value.get(name)) for name in ("url", "apikey"))
        return cls(value["kind"], url, apikey)

    def to_json_value(self) -> dict[str, str]:
        """Return it as JSON data, secrets and all."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Envelope:
    """One attempt on its way to where it runs.  `repr` shows neither its token nor its input."""

    run_id: UUID
    flow_slug: str
    flow_version: int
    step_slug: str
    step_type: Literal["single", "map"]
    task_index: int
    attempt: int
    attempt_token: UUID = field(repr=False)
    handler: str
    params: str | None
    """JSON text: handler parameter -> "run", "item", a dependency's slug or {"const": value}."""
    timeout_seconds: float
    heartbeat_timeout_seconds: float | None
    max_attempts: int
    failures: int
    launch_deadline: datetime
    """Until when the start handshake must be made."""
    report: ReportTarget
    input: str | None = field(default=None, repr=False)
    """JSON text of the input object; None when the task fetches it at its handshake."""

    @classmethod
    def of(cls, attempt: Attempt, report: ReportTarget, *, inline_input: bool) -> Envelope:
        """Wrap a claimed attempt; raises ValueError if its input is to go along but was not claimed."""
        if inline_input and attempt.input is None:
            raise ValueError("the attempt was claimed without its input: it cannot go along")
        heartbeat = attempt.heartbeat_timeout
        return cls(
            run_id=attempt.run_id,
            flow_slug=attempt.flow_slug,
            flow_version=attempt.flow_version,
            step_slug=attempt.step_slug,
            step_type=attempt.step_type,
            task_index=attempt.task_index,
            attempt=attempt.attempt,
            attempt_token=attempt.attempt_token,
            handler=attempt.handler,
            params=attempt.params,
            timeout_seconds=attempt.timeout.total_seconds(),
            heartbeat_timeout_seconds=None if heartbeat is None else heartbeat.total_seconds(),
            max_attempts=attempt.max_attempts,
            failures=attempt.failures,
            launch_deadline=attempt.lease_expires_at,
            report=report,
            input=attempt.input if inline_input else None,
        )

    def to_json(self, *, with_token: bool = True) -> str:
        """Return what `parse` reads; without the token where that travels apart, as PGFLOW_ATTEMPT_TOKEN."""
        texts = {"v": str(ENVELOPE_VERSION)}
        for name in _READERS:
            value = getattr(self, name)
            if name == "attempt_token" and not with_token:
                continue
            if name in _AS_TEXT:
                texts[name] = value or "null"
            else:
                texts[name] = json.dumps(
                    value.to_json_value() if isinstance(value, ReportTarget) else value, default=_plain
                )
        if self.input is None:
            del texts["input"]
        return "{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}"

    @classmethod
    def parse(cls, text: str, *, attempt_token: str | None = None) -> Envelope:
        """Read an envelope; `attempt_token` is one that came apart.

        Keys that this version does not know are ignored.  Raises EnvelopeInvalid, which quotes no secret.
        """
        try:
            texts = jsontext.members(text)
        except ValueError as error:
            # The message of a JSON error shows a place, never the text.
            raise EnvelopeInvalid(f"the envelope cannot be read: {error}") from None
        if attempt_token is not None:
            texts["attempt_token"] = json.dumps(attempt_token)
        _check_version(texts.get("v"))
        values = {name: _read(name, texts.get(name)) for name in _READERS}
        return cls(**values)


def _check_version(text: str | None) -> None:
    if text is None:
        raise EnvelopeInvalid('the envelope has no "v": it is not one of PGFlow')
    if text != str(ENVELOPE_VERSION):
        raise EnvelopeInvalid(
            f"the envelope is of version {text[:20]}, and this runtime reads version {ENVELOPE_VERSION}: "
            "use the same pgflow-core where flows are dispatched and where they run"
        )


def _read(name: str, text: str | None) -> Any:
    if text is None and name not in _MAY_LACK:
        mend = " (or set PGFLOW_ATTEMPT_TOKEN)" if name == "attempt_token" else ""
        raise EnvelopeInvalid(f'the envelope lacks "{name}"{mend}')
    try:
        value = _READERS[name](json.loads(text or "null"))
    except ValueError as error:
        raise EnvelopeInvalid(f'"{name}" of the envelope: {error}') from None
    return text if name in _AS_TEXT and value is not None else value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
        raise ValueError("must be a number of seconds greater than 0")
    return float(value)


def _uuid(value: object) -> UUID:
    try:
        return UUID(_text(value))
    except ValueError:
        raise ValueError("must be a UUID") from None


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        raise ValueError("must be a time in ISO 8601") from None
    if moment.tzinfo is None:
        raise ValueError("must have a time zone")
    return moment


def _object(value: object) -> object:
    if not is_object(value):
        raise ValueError("must be an object")
    return value


def _kind(value: object) -> str:
    kind = _text(value)
    if kind not in {"single", "map"}:
        raise ValueError('must be "single" or "map"')
    return kind


def _optional(reader: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value is None else reader(value)


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "run_id": _uuid,
    "flow_slug": _text,
    "flow_version": _whole,
    "step_slug": _text,
    "step_type": _kind,
    "task_index": _whole,
    "attempt": _whole,
    "attempt_token": _uuid,
    "handler": _text,
    "params": _optional(_object),
    "timeout_seconds": _seconds,
    "heartbeat_timeout_seconds": _optional(_seconds),
    "max_attempts": _whole,
    "failures": _whole,
    "launch_deadline": _moment,
    "report": ReportTarget.read,
    "input": _optional(_object),
}
_MAY_LACK: Final = {"params", "heartbeat_timeout_seconds", "input"}
_AS_TEXT: Final = {"params", "input"}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _base_url(kind: str, url: str | None) -> str:
    parts = urlsplit(url or "")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"kind {kind} needs a url such as https://flows.example.com/")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("url must have no user, password, query or fragment")
    return parts.geturl().rstrip("/") + "/"
