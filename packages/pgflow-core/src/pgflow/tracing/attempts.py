"""A span for each attempt that a dispatcher claims."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from pgflow.dispatcher.attempts import LiveTask
from pgflow.errors import ConfigError
from pgflow.tracing.ids import DerivedIds, attempt_context

__all__ = ["AttemptSpans"]


class AttemptSpans:
    """Writes spans to a provider; what a `Dispatcher` takes as `spans`."""

    def __init__(self, provider: TracerProvider) -> None:
        ids = provider.id_generator
        if not isinstance(ids, DerivedIds):
            raise ConfigError(
                "the spans of attempts need ids that follow from the attempts: "
                "make the provider with TracerProvider(id_generator=DerivedIds())"
            )
        self._ids = ids
        self._tracer = provider.get_tracer("pgflow.dispatcher")

    def begin(self, task: LiveTask) -> Span:
        """Begin the span of an attempt that was claimed; it links to the attempt before."""
        key = (task.run_id, task.step_slug, task.task_index)
        links = [Link(attempt_context(*key, task.attempt - 1))] if task.attempt > 1 else []
        named = task.fields().items()
        attributes = {f"pgflow.{name}": value for name, value in named if isinstance(value, str | int)}
        with self._ids.giving(attempt_context(*key, task.attempt)):
            return self._tracer.start_span(
                f"{task.flow_slug}.{task.step_slug}",
                Context(),
                SpanKind.CONSUMER,
                attributes,
                links,
            )

    def end(self, span: Span, outcome: str, code: str | None) -> None:
        """End it by what was reported: complete, fail, release, or gone for an attempt that is over."""
        span.set_attribute("pgflow.outcome", outcome)
        if code is not None:
            span.set_attribute("error.type", code)
        if outcome == "fail":
            span.set_status(Status(StatusCode.ERROR, code))
        span.end()
