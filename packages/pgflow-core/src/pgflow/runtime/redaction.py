"""Texts that leave the process hold no secret that the process was given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["Redaction"]

_MARK = "[redacted]"


class Redaction:
    """Replaces secrets by a mark."""

    def __init__(self, secrets: Iterable[str | None]) -> None:
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without them."""
        for secret in self._secrets:
            text = text.replace(secret, _MARK)
        return text

    def error(self, error: dict[str, Any]) -> dict[str, Any]:
        """Return an error object whose texts are without them."""
        return {key: self.text(value) if isinstance(value, str) else value for key, value in error.items()}
