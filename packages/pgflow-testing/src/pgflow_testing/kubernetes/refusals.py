"""What an API server refuses, in its own words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Refusal", "invalid", "unknown_format"]


@dataclass(frozen=True)
class Refusal(Exception):
    """An answer that is a Status: `Refusal(429, "TooManyRequests", "busy", retry_after=1)`."""

    status: int
    reason: str
    message: str
    details: dict[str, Any] | None = None
    retry_after: int | None = None

    def body(self) -> dict[str, Any]:
        """Return it as an object of the API."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.status,
        }
        details = dict(self.details or {})
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        return {**body, "details": details} if details else body


def invalid(kind: str, group: str, name: str, faults: Sequence[tuple[str, str]]) -> Refusal:
    """Return the refusal of an object that is wrong in these fields: (path, what is wrong)."""
    said = ", ".join(f"{path}: {fault}" for path, fault in faults)
    qualified = f"{kind}.{group}" if group else kind
    causes = [{"reason": "FieldValueInvalid", "field": path, "message": fault} for path, fault in faults]
    details = {"name": name, "kind": kind, "causes": causes}
    if group:
        details["group"] = group
    told = said if len(faults) == 1 else f"[{said}]"
    return Refusal(422, "Invalid", f'{qualified} "{name}" is invalid: {told}', details)


def unknown_format(accepted: Iterable[str]) -> Refusal:
    """Return the refusal of a body in another format than these."""
    told = "the body of the request was in an unknown format - accepted media types include: "
    return Refusal(415, "UnsupportedMediaType", told + ", ".join(accepted))
