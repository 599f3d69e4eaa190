"""An attempt to launch by hand, for tests of an executor that need no database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pgflow.executor import Attempt
from pydantic import BaseModel

__all__ = ["make_attempt"]


def make_attempt(options: BaseModel, **changes: Any) -> Attempt:
    """Return the first attempt at a made-up step with these step options; `changes` are fields of Attempt."""
    fields: dict[str, Any] = {
        "run_id": UUID(int=1),
        "flow_slug": "thumbnails",
        "flow_version": 1,
        "step_slug": "resize",
        "step_type": "single",
        "task_index": 0,
        "attempt": 1,
        "attempt_token": UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7"),
        "handler": "shop:resize",
        "params": None,
        "input": None,
        "options": options,
        "timeout": timedelta(seconds=60),
        "heartbeat_timeout": None,
        "max_attempts": 3,
        "failures": 0,
        "external_id": "pgf-0123456789-1",
        "lease_expires_at": datetime.now(UTC) + timedelta(seconds=60),
    }
    return Attempt(**{**fields, **changes})
