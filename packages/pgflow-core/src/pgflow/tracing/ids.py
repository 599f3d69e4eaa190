"""Which trace and which span: from the run and the attempt alone."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from uuid import UUID

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanContext, TraceFlags

__all__ = ["DerivedIds", "attempt_context", "run_context"]


def run_context(run_id: UUID) -> SpanContext:
    """Name a run's trace; its span stands for the run and is never written."""
    return attempt_context(run_id, "", 0, 0)


def attempt_context(run_id: UUID, step_slug: str, task_index: int, attempt: int) -> SpanContext:
    """Name the span of an attempt."""
    text = f"{run_id}/{step_slug}/{task_index}/{attempt}".encode()
    span_id = int.from_bytes(blake2b(text, digest_size=8).digest(), "big") or 1
    return SpanContext(run_id.int, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


class DerivedIds(RandomIdGenerator):
    """Gives spans the ids of attempts where told to, random ones otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self._next: ContextVar[SpanContext | None] = ContextVar("pgflow_next_span", default=None)

    @contextmanager
    def giving(self, context: SpanContext) -> Generator[None]:
        """Give the span that is started in this block these ids."""
        token = self._next.set(context)
        try:
            yield
        finally:
            self._next.reset(token)

    def generate_trace_id(self) -> int:
        """Return the id of the next trace."""
        given = self._next.get()
        return super().generate_trace_id() if given is None else given.trace_id

    def generate_span_id(self) -> int:
        """Return the id of the next span."""
        given = self._next.get()
        return super().generate_span_id() if given is None else given.span_id
