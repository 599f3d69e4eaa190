"""Spans around what users call: nothing at all, unless their program has OpenTelemetry loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from pgflow.runtime.context import Task

__all__ = ["in_attempt", "is_traced", "starting"]


def is_traced() -> bool:
    """Tell whether the program has OpenTelemetry loaded."""
    # The ids come from the SDK's generator: with the bare API there is nobody to write spans to.
    return "opentelemetry.sdk.trace" in sys.modules


@contextmanager
def starting(flow_slug: str) -> Generator[Callable[[UUID], None]]:
    """Write a span around the start of a run; call what it gives with the run's id, to link its trace."""
    if not is_traced():
        yield lambda _: None
        return
    from opentelemetry import trace

    from pgflow.tracing.ids import run_context

    tracer = trace.get_tracer("pgflow.client")
    with tracer.start_as_current_span(f"start {flow_slug}", kind=trace.SpanKind.PRODUCER) as span:
        span.set_attribute("pgflow.flow", flow_slug)

        def started(run_id: UUID) -> None:
            span.set_attribute("pgflow.run_id", str(run_id))
            span.add_link(run_context(run_id))

        yield started


@contextmanager
def in_attempt(task: Task) -> Generator[None]:
    """Make the attempt's span the parent of the spans that its handler writes, if `is_traced()`."""
    from opentelemetry import context, trace

    from pgflow.tracing.ids import attempt_context

    span = trace.NonRecordingSpan(attempt_context(task.run_id, task.step_slug, task.task_index, task.attempt))
    token = context.attach(trace.set_span_in_context(span))
    try:
        yield
    finally:
        context.detach(token)
