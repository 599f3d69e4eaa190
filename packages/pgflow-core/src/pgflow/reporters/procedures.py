"""The verbs as calls of the engine's SQL functions: what is sent, and what the answers mean."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from pgflow.reporters.contract import Call, NotWanted, Refused, Unavailable

__all__ = ["LEASE_SECONDS", "addressed", "judge_error", "judge_status", "report"]

LEASE_SECONDS: Final = 30.0
"""Of heartbeats; only for steps without a heartbeat_timeout, whose lease is longer than this anyway."""

_BUSY_STATES: Final = {"40001", "40P01", "55P03"}
_BUSY_CLASSES: Final = {"08", "53", "57", "58"}
_SETUP_STATES: Final = {"42501", "42883", "3F000"}


def addressed(call: Call) -> str:
    """Return the attempt and the verb's fields as one JSON object, an element of a batch."""
    texts = {
        **call.fields,
        "run_id": f'"{call.run_id}"',
        "step_slug": json.dumps(call.step_slug),
        "task_index": str(call.task_index),
        "attempt_token": f'"{call.attempt_token}"',
    }
    return "{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}"


def report(call: Call) -> str:
    """Return the element for `report_step_tasks`: its outcome is the verb."""
    return f'{addressed(call)[:-1]},"outcome":"{call.verb}"}}'


def judge_status(status: Any) -> str:
    """Pass a status on; raises NotWanted or Refused for those that end the attempt."""
    if status in {"stale", "conflict", "unknown"}:
        why = "another instance has it" if status == "conflict" else "it is no longer the current one"
        raise NotWanted(f"the attempt is not ours: {why}")
    if status == "invalid":
        raise Refused("invalid", "the engine does not understand the report")
    return str(status)


def judge_error(sqlstate: str | None, message: str) -> NoReturn:
    """Raise what an error of the engine means to a worker."""
    state = sqlstate or ""
    if state == "PF003":
        raise NotWanted(message)
    if state == "PF007":
        raise Refused("too_large", message)
    if state == "PF008" or state.startswith("22"):
        raise Refused("invalid", message)
    if state in _SETUP_STATES:
        raise Refused("setup", f"{message}: the role that reports needs the rights of pgflow_worker")
    if not state or state in _BUSY_STATES or state[:2] in _BUSY_CLASSES:
        raise Unavailable(message)
    raise Refused("setup", f"{message} (SQLSTATE {state})")
