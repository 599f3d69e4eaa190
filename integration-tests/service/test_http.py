"""Health, readiness and metrics of real processes, over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pgflow import Client
from pgflow.embedded import THROWAWAY_SETTINGS, EmbeddedServer
from prometheus_client.parser import text_string_to_metric_families
from trial import Gate, held, refusing, single

PROJECT = Path(__file__).parent / "project"
SECONDS = 60
WAKE_SECRET = "sixteen characters"


@dataclass
class Endpoints:
    """A process that serves HTTP."""

    popen: subprocess.Popen[str]
    log: Path
    address: str = ""

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wake(self, bearer: str | None, body: str = "{}") -> int:
        headers = {"Content-Type": "application/json"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        request = urllib.request.Request(f"http://{self.address}/wake", body.encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def ready(self) -> tuple[int, dict[str, bool]]:
        status, text = self.get("/readyz")
        return status, {name: part["ok"] for name, part in json.loads(text)["parts"].items()}

    def reason(self, part: str) -> str:
        return json.loads(self.get("/readyz")[1])["parts"][part]["reason"]

    def metrics(self) -> dict[tuple[str, ...], float]:
        status, text = self.get("/metrics")
        assert status == 200
        return {
            (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def find_address(self) -> str | None:
        found = re.search(r"http://(\S+) serves", self.log.read_text())
        return found and found[1]


@pytest.fixture
def serve(tmp_path, eventually) -> Iterator[Callable[..., Endpoints]]:
    """Run `pgflow COMMAND` with HTTP on a free port: `serve(dsn, "dispatch", ...)`."""
    started: list[subprocess.Popen[str]] = []

    def start(dsn: str, *arguments: str) -> Endpoints:
        log = tmp_path / f"http{len(started)}.log"
        (tmp_path / "pgflow.toml").write_text(
            f'pythonpath = ["{PROJECT}"]\n[executors.local]\nuse = "local"\nprocesses = 1\ngrace = 0.5\n'
            f'[api]\nwake_secret = "{WAKE_SECRET}"\n'
        )
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PGFLOW_")}
        with log.open("w") as stderr:
            popen = subprocess.Popen(
                [sys.executable, "-m", "pgflow.cli", *arguments, "--http", "127.0.0.1:0"],
                cwd=tmp_path, env={**environment, "PGFLOW_DSN": dsn}, stderr=stderr, text=True,
            )  # fmt: skip
        started.append(popen)
        endpoints = Endpoints(popen, log)
        eventually(lambda: endpoints.find_address() or popen.poll() is not None)
        assert popen.poll() is None, log.read_text()
        endpoints.address = endpoints.find_address() or ""
        return endpoints

    yield start
    for popen in started:
        if popen.poll() is None:
            popen.kill()
            popen.wait(SECONDS)


def test_a_dispatcher_answers_for_its_health_its_readiness_and_its_counts(serve, pgflow_database, eventually):
    with Client(pgflow_database) as client:
        client.deploy(single)
        client.deploy(refusing)
        dispatcher = serve(pgflow_database, "dispatch")
        assert dispatcher.get("/healthz") == (200, '{"status":"ok"}')
        eventually(lambda: dispatcher.ready()[0] == 200)
        everything = ["database", "schema", "accepting", "executors", "connection"]
        assert dispatcher.ready()[1] == dict.fromkeys(everything, True)
        assert [client.start(single, n).result(SECONDS) for n in range(3)] == [0, 2, 4]
        handle = client.start(refusing, 1)
        eventually(lambda: handle.status() == "failed")
        counted = eventually(
            lambda: (
                (found := dispatcher.metrics()).get(("pgflow_tasks_failed_total", "local", "refusing"))
                and found
            )
        )
        # A sample of the latest claim a second: that of the other flow may have been the one.
        sampled = ("pgflow_task_queue_wait_seconds_count", "local", "single")
        eventually(lambda: client.start(single, 3).result(SECONDS) and sampled in dispatcher.metrics())
    assert counted["pgflow_tasks_claimed_total", "local", "single"] == 3
    assert counted["pgflow_tasks_started_total", "local", "single"] == 3
    assert counted["pgflow_tasks_completed_total", "local", "single"] == 3
    assert ("pgflow_tasks_lost_total", "local", "single") not in counted
    assert counted["pgflow_task_run_seconds_count", "local", "single"] == 3
    assert counted["pgflow_task_run_seconds_bucket", "local", "single", "+Inf"] == 3
    assert counted["pgflow_exchange_seconds_count", "local"] >= 4
    assert counted["pgflow_in_flight", "local"] == 0
    assert counted["pgflow_capacity", "local"] > 0
    assert counted["pgflow_ready_tasks", "local"] == 0
    assert counted["pgflow_database_reconnects_total",] == 0
    assert counted["pgflow_accepting",] == 1


def test_a_dispatcher_is_woken_by_whoever_has_the_secret(serve, pgflow_database):
    dispatcher = serve(pgflow_database, "dispatch")
    assert [dispatcher.wake(bearer) for bearer in (None, "", "another secret here")] == [401, 401, 401]
    bodies = ("{}", '{"executor": "local"}', '{"executor": "unknown"}', '{"executor": 5}', "no JSON", "[]")
    assert [dispatcher.wake(WAKE_SECRET, body) for body in bodies] == [204, 204, 204, 422, 422, 422]
    assert dispatcher.get("/wake")[0] == 405
    api = serve(pgflow_database, "serve")
    assert api.wake(WAKE_SECRET) == 404


@pytest.mark.slow
def test_readiness_goes_first_when_a_dispatcher_drains(serve, pgflow_database, tmp_path, eventually):
    gate = Gate(str(tmp_path))
    with Client(pgflow_database) as client:
        client.deploy(held)
        dispatcher = serve(pgflow_database, "dispatch", "--grace", "60")
        handle = client.start(held, gate)
        eventually(gate.path("started").exists)
        assert dispatcher.ready()[0] == 200
        assert dispatcher.metrics()["pgflow_in_flight", "local"] == 1
        dispatcher.popen.send_signal(signal.SIGTERM)
        eventually(lambda: dispatcher.ready()[0] == 503)
        assert dispatcher.ready()[1]["accepting"] is False
        assert "draining" in dispatcher.reason("accepting")
        assert dispatcher.get("/healthz")[0] == 200
        assert dispatcher.metrics()["pgflow_accepting",] == 0
        gate.path("go").touch()
        assert dispatcher.popen.wait(SECONDS) == 0
        assert handle.result(SECONDS) == "gate"


@pytest.mark.slow
def test_a_lone_server_follows_the_database_down_and_up(serve, tmp_path, eventually):
    from pgflow_sql import migrate

    folder = tmp_path / "server"
    server = EmbeddedServer.ensure(folder, settings=THROWAWAY_SETTINGS)
    dsn, port = server.dsn(), server.port
    try:
        lone = serve(dsn, "serve")
        assert lone.ready() == (503, {"database": True, "schema": False})
        assert "pgflow migrate" in lone.reason("schema")
        with psycopg.connect(dsn, autocommit=True) as connection:
            migrate(connection)
        eventually(lambda: lone.ready() == (200, {"database": True, "schema": True}))
        server.stop()
        eventually(lambda: lone.ready() == (503, {"database": False, "schema": False}))
        assert lone.get("/healthz")[0] == 200
        eventually(lambda: lone.metrics()["pgflow_database_answers",] == 0)
        server = EmbeddedServer.ensure(folder, port=port, settings=THROWAWAY_SETTINGS)
        eventually(lambda: lone.ready()[0] == 200)
        eventually(lambda: lone.metrics()["pgflow_database_answers",] == 1)
    finally:
        server.stop()
    lone.popen.terminate()
    assert lone.popen.wait(SECONDS) == 0


def test_scrapes_cost_the_database_one_look_in_a_while(serve, pgflow_database, pgflow_connection, eventually):
    lone = serve(pgflow_database, "serve")
    eventually(lambda: lone.ready()[0] == 200)
    backend = "select query_start from pg_stat_activity where application_name = 'pgflow http'"
    lone.metrics()
    before = pgflow_connection.execute(backend).fetchone()
    for _ in range(20):
        lone.metrics()
    after = pgflow_connection.execute(backend).fetchone()
    assert before == after


RULES = Path(__file__).parents[2] / "docs/how-to/run-in-production.md"


def test_every_metric_and_label_that_the_documented_alerts_name_is_served(serve, pgflow_database, eventually):
    page = RULES.read_text(encoding="utf-8")
    named = set(re.findall(r"pgflow_[a-z_]+", page)) - {"pgflow_dispatcher", "pgflow_client"}
    with Client(pgflow_database) as client:
        client.deploy(single)
        dispatcher = serve(pgflow_database, "dispatch")
        assert client.start(single, 1).result(SECONDS) == 2
        samples = eventually(
            lambda: (
                (found := dispatcher.metrics()).get(("pgflow_tasks_completed_total", "local", "single"))
                and found
            )
        )
    text = dispatcher.get("/metrics")[1]
    served = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE)) | {name for name, *_ in samples}
    assert named - served == set()
    for name, label in re.findall(r"by \((\w+)\) \((?:rate\()?(pgflow_\w+)", page):
        lines = re.findall(rf"^{label}{{.*}}", text, re.MULTILINE)
        assert all(f'{name}="' in line for line in lines), (name, lines)
