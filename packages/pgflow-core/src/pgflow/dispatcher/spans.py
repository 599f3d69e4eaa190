"""What traces attempts, as the dispatcher sees it; it knows nothing of OpenTelemetry."""

from __future__ import annotations

from typing import Any, Protocol

from pgflow.dispatcher.attempts import LiveTask

__all__ = ["Spans"]


class Spans(Protocol):
    """Who traces attempts; `pgflow.tracing.attempts.AttemptSpans` does."""

    def begin(self, task: LiveTask) -> Any:
        """Begin the span of an attempt that was claimed."""
        ...

    def end(self, span: Any, outcome: str, code: str | None) -> None:
        """End the span by what was reported, or "gone"."""
        ...
