"""A provider that exports by OTLP over HTTP, as the usual OTEL_* variables say."""

from __future__ import annotations

import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from pgflow.tracing.ids import DerivedIds

__all__ = ["exporting_provider"]


def exporting_provider() -> TracerProvider:
    """Make the provider of `pgflow dispatch`; shut it down at the end, so that the last spans are sent."""
    named = {} if "OTEL_SERVICE_NAME" in os.environ else {SERVICE_NAME: "pgflow"}
    provider = TracerProvider(
        id_generator=DerivedIds(), resource=Resource.create(named), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
