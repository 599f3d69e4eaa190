"""`pgflow dispatch` with tracing on, and a receiver that takes what OpenTelemetry sends: OTLP over HTTP."""

import gzip
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from pgflow.tracing.ids import attempt_context

FLOWS = """
from pgflow import Node, RetryAfter, current_task, flow, step

def unsteady(n: int) -> int:
    if current_task().attempt < 3:
        raise RetryAfter(0, "the secret of the handler")
    return n

@flow
def shaky(n: Node[int]) -> Node[int]:
    return step(unsteady, n)
"""


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Request)
        self.requests = []

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_port}"

    def resources(self):
        return [each for _, _, sent in self.requests for each in sent.resource_spans]

    def spans(self):
        scopes = [scope for resource in self.resources() for scope in resource.scope_spans]
        spans = [span for scope in scopes for span in scope.spans]
        return sorted(spans, key=lambda span: span.start_time_unix_nano)


class Request(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        sent = ExportTraceServiceRequest.FromString(body)
        self.server.requests.append((self.path, self.headers, sent))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def run(project, database):
    """A function that runs the flow under a dispatcher with these OTEL_* variables, and returns the run."""
    project.write("shaky.py", FLOWS)
    project.write("pgflow.toml", 'flows = ["shaky:shaky"]\n[dispatcher]\ntracing = true\n')
    project.pgflow("deploy")

    def do(**variables):
        with project.serving("dispatch", env={**os.environ, **variables}) as dispatcher:
            dispatcher.wait_for("serves local")
            run = project.ended(project.json("run", "shaky", "--input", "5")["run_id"])
            assert dispatcher.stop() == 0
        return run

    return do


def attributes(thing):
    return {each.key: each.value.string_value or each.value.int_value for each in thing.attributes}


def test_the_attempts_of_a_task_arrive_linked_as_the_variables_say(run, receiver):
    ended = run(
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS="api-key=open-sesame",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_SERVICE_NAME="shop",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test",
        OTEL_BSP_SCHEDULE_DELAY="50",
    )
    assert ended["status"] == "completed"
    spans = receiver.spans()
    assert [span.name for span in spans] == ["shaky.unsteady"] * 3
    run_id = ended["run_id"]
    assert {span.trace_id.hex() for span in spans} == {run_id.replace("-", "")}
    links = [[link.span_id for link in span.links] for span in spans]
    assert links == [[], [spans[0].span_id], [spans[1].span_id]]
    assert {link.trace_id for span in spans for link in span.links} == {spans[0].trace_id}
    expected = [attempt_context(UUID(run_id), "unsteady", 0, number).span_id for number in (1, 2, 3)]
    assert [int.from_bytes(span.span_id) for span in spans] == expected
    said = [attributes(span) for span in spans]
    assert [each["pgflow.attempt"] for each in said] == [1, 2, 3]
    assert [each["pgflow.outcome"] for each in said] == ["fail", "fail", "complete"]
    assert [each.get("error.type") for each in said] == ["RETRY_AFTER", "RETRY_AFTER", None]
    for path, headers, sent in receiver.requests:
        assert (path, headers["api-key"], headers["Content-Encoding"]) == (
            "/v1/traces",
            "open-sesame",
            "gzip",
        )
        assert "secret" not in str(sent)
    for resource in receiver.resources():
        known = attributes(resource.resource)
        assert (known["service.name"], known["deployment.environment"]) == ("shop", "test")


def test_the_service_is_named_pgflow_unless_a_variable_names_it(run, receiver):
    run(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{receiver.endpoint}/elsewhere")
    assert {path for path, _, _ in receiver.requests} == {"/elsewhere"}
    assert {attributes(each.resource)["service.name"] for each in receiver.resources()} == {"pgflow"}


def test_the_sampler_is_obeyed(run, receiver):
    ended = run(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, OTEL_TRACES_SAMPLER="always_off")
    assert ended["status"] == "completed"
    assert receiver.requests == []


def test_a_receiver_that_is_not_there_delays_no_task(run):
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    assert run(**variables)["status"] == "completed"
