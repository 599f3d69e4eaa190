"""The spans of `pgflow dispatch`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pgflow.cli._problems import Problem

if TYPE_CHECKING:
    from pgflow.tracing.attempts import AttemptSpans

__all__ = ["attempt_spans"]


@contextmanager
def attempt_spans() -> Generator[AttemptSpans]:
    """Export spans while the block runs, and the last ones at its end; raises Problem without the extra."""
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        raise Problem(
            "[dispatcher] tracing is on, but OpenTelemetry is not installed",
            mend="pip install 'pgflow-core[otel]', or set tracing = false",
        )
    from pgflow.tracing.attempts import AttemptSpans
    from pgflow.tracing.setup import exporting_provider

    provider = exporting_provider()
    try:
        yield AttemptSpans(provider)
    finally:
        provider.shutdown()
