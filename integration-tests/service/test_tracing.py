"""Spans: the start of a run, its attempts, and what a handler writes, all found from the run's id."""

from __future__ import annotations

import subprocess
import sys
from uuid import UUID

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pgflow import AsyncClient, ConfigError
from pgflow.runtime import Task
from pgflow.runtime.context import entered
from pgflow.tracing.attempts import AttemptSpans
from pgflow.tracing.ids import DerivedIds, attempt_context, run_context
from trial import chain, single
from trial_executors import Here, complete


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter):
    provider = TracerProvider(id_generator=DerivedIds(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


async def test_each_attempt_is_a_span_of_the_runs_trace_linked_to_the_attempt_before(
    pgflow_database, dispatching, aeventually, provider, exporter
):
    async def fail_once(executor, attempt):
        if attempt.step_slug == "double" and attempt.attempt == 1:
            error = {"code": "BROKEN", "message": "the secret of the handler"}
            executor.report(attempt, "fail", error=error, retry_after_seconds=0)
        return await complete(executor, attempt)

    async with AsyncClient(pgflow_database) as client:
        await client.deploy(chain)
        executor = Here(fail_once)
        async with dispatching(pgflow_database, [executor.instance], spans=AttemptSpans(provider)):
            handle = await client.start(chain, 1)
            await handle.result(60)
            await aeventually(lambda: len(exporter.get_finished_spans()) == 3)
    run_id = handle.run_id
    first, second, last = exporter.get_finished_spans()
    assert [span.name for span in (first, second, last)] == ["chain.double", "chain.double", "chain.negate"]
    assert {span.context.trace_id for span in (first, second, last)} == {run_id.int}
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert (first.links, last.links) == ((), ())
    assert first.context.span_id == attempt_context(run_id, "double", 0, 1).span_id
    assert first.attributes["error.type"] == "BROKEN"
    assert [span.attributes["pgflow.outcome"] for span in (first, second, last)] == [
        "fail", "complete", "complete",
    ]  # fmt: skip
    assert second.attributes["pgflow.attempt"] == 2
    assert second.attributes["pgflow.run_id"] == str(run_id)
    assert "secret" not in "".join(span.to_json() for span in (first, second, last))
    for attempt in executor.launched:
        assert str(attempt.attempt_token) not in first.to_json() + second.to_json() + last.to_json()


async def test_the_start_of_a_run_is_a_span_of_the_caller_linked_to_the_runs_trace(
    pgflow_database, exporter, monkeypatch
):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    async with AsyncClient(pgflow_database) as client:
        await client.deploy(single)
        with provider.get_tracer("app").start_as_current_span("request") as request:
            handle = await client.start(single, 1)
            many = await client.start_many(single, [1, 2])
    one, two, _ = exporter.get_finished_spans()
    assert one.name == "start single"
    assert one.parent == request.get_span_context()
    assert [link.context for link in one.links] == [run_context(handle.run_id)]
    assert [link.context.trace_id for link in two.links] == [each.run_id.int for each in many]


def test_what_a_handler_writes_has_its_attempt_as_parent(provider, exporter):
    run_id = UUID(int=7)
    with entered(Task(run_id, "f", "s", 3, 2)), provider.get_tracer("shop").start_as_current_span("query"):
        pass
    (span,) = exporter.get_finished_spans()
    assert span.context.trace_id == run_id.int
    assert span.parent == attempt_context(run_id, "s", 3, 2)


def test_a_provider_with_random_ids_is_refused():
    with pytest.raises(ConfigError, match="id_generator=DerivedIds"):
        AttemptSpans(TracerProvider(shutdown_on_exit=False))


def test_nothing_of_opentelemetry_is_loaded_where_nobody_asks_for_it():
    code = (
        "import sys, pgflow.client, pgflow.dispatcher, pgflow.runtime; print('opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
