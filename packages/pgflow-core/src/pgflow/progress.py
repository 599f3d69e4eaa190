"""How far a handler has come, as the engine keeps it."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from pgflow.jsontext import storable

__all__ = ["progress_json"]

_MESSAGE: Final = 400
"""Characters of a message that are kept."""


def progress_json(done: float, total: float | None, message: str | None) -> str | None:
    """Return {"done", "total"?, "message"?} as JSON text; None if `done` is no number that JSON can say."""
    if not math.isfinite(done):
        return None
    said: dict[str, Any] = {"done": done}
    if total is not None and math.isfinite(total):
        said["total"] = total
    if message is not None:
        said["message"] = storable(message[:_MESSAGE])
    return json.dumps(said)
