"""Signs requests, so that a function knows that they come from the dispatcher."""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["sign"]


def sign(secret: str, timestamp: int, path: str, body: bytes, attempt: str) -> str:
    """Return the header x-pgflow-signature of a POST; `path` is what a function sees, "/<name>"."""
    text = "|".join(["v1", str(timestamp), "POST", path, hashlib.sha256(body).hexdigest(), attempt])
    return f"v1,t={timestamp},{hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"
