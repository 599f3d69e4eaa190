"""The report that comes with the answer to a launch that was waited for."""

from __future__ import annotations

import json
from typing import Any

from pgflow import jsontext
from pgflow.executor import Attempt, TaskReport
from pgflow.jsonb import is_object

__all__ = ["report_in"]


def report_in(body: bytes, attempt: Attempt) -> TaskReport | None:
    """Read the report of an attempt; None if the attempt goes on.  Raises ValueError for what is none."""
    text = jsontext.members(body.decode()).get("report")
    if text is None:
        return None
    said = jsontext.members(text)
    outcome = _load(said, "outcome")
    if outcome not in {"complete", "fail", "release"}:
        raise ValueError(f"its outcome is {outcome!r}")
    error, after = _load(said, "error"), _load(said, "retry_after_seconds")
    if not (error is None or is_object(error)) or not (after is None or isinstance(after, int | float)):
        raise ValueError("its error or retry_after_seconds is of another type")
    return TaskReport(
        attempt.run_id,
        attempt.step_slug,
        attempt.task_index,
        attempt.attempt_token,
        outcome,
        output=said.get("output"),
        error=error,
        retryable=_load(said, "retryable") is not False,
        retry_after_seconds=after,
    )


def _load(members: dict[str, str], name: str) -> Any:
    return json.loads(members.get(name, "null"))
