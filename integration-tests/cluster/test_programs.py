"""Programs in another language: the Job is the executor's, its container a process of the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from pgflow.envelope import Envelope, ReportTarget
from pgflow.executor import Attempt
from pgflow_kubernetes.delivery import ENVELOPE, TOKEN
from pgflow_kubernetes.manifest import build_job
from pgflow_kubernetes.settings import KubernetesSettings, KubernetesStepOptions
from pgflow_supabase.serving import find_deno

from ..api.test_javascript_worker import node
from .conftest import PROJECT

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/any-language"
SECONDS = 60
#: A step that takes for ever, and says when it has begun.
HOLD = f"""
import {{ run }} from "{EXAMPLE / "task.mjs"}";
await run(() => {{ console.log("begun"); return new Promise(() => setInterval(() => {{}}, 1000)); }});
"""


class Pod:
    """What a kubelet does with a Job: the Secret as variables and as a file, then the command."""

    def __init__(self, manifest: dict, secret: dict[str, str], folder: Path) -> None:
        pod = manifest["spec"]["template"]["spec"]
        (task,) = pod["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in task.get("volumeMounts", [])}
        self.places = {mounts[volume["name"]]: str(folder) for volume in pod.get("volumes", [])}
        for volume in pod.get("volumes", []):
            for item in volume["secret"]["items"]:
                (folder / item["path"]).write_text(secret[item["key"]])
        self.command = [self.placed(word) for word in task["command"]]
        self.environment = {each["name"]: self.value(each, secret) for each in task["env"]}

    def placed(self, text: str) -> str:
        """Put what is under a mount path where the test has it."""
        for path, folder in self.places.items():
            text = text.replace(path, folder)
        return text

    def value(self, variable: dict, secret: dict[str, str]) -> str:
        match variable.get("valueFrom"):
            case None:
                return self.placed(variable["value"]).replace("$$", "$")
            case {"secretKeyRef": reference}:
                return secret[reference["key"]]
            case {"fieldRef": {"fieldPath": "metadata.uid"}}:
                return str(uuid.uuid4())

    def start(self, workdir: Path = EXAMPLE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command,
            cwd=workdir,
            env={"PATH": os.environ["PATH"], **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, workdir: Path = EXAMPLE) -> tuple[int, str]:
        process = self.start(workdir)
        said, _ = process.communicate(timeout=SECONDS)
        return process.returncode, said


@pytest.fixture
def launched(pgflow_connection, api, tmp_path):
    """Start a run of one step and make its task's Job: `launched(input, program, envelope="file")`."""

    words = [node(), str(EXAMPLE / "words.mjs")]

    def launch(value: object, command: list[str] | None = words, *, step=None, **options: object) -> Pod:
        slug = f"flow_{uuid.uuid4().hex[:8]}"
        about = {"step_slug": "words", "executor": "kubernetes", "handler": "m:f", "needs_run_input": True}
        about |= {"options": {"max_attempts": 1}, **(step or {})}
        definition = json.dumps({"flow_slug": slug, "steps": [about]})
        pgflow_connection.execute("select pgflow.define_flow(%s)", [definition])
        pgflow_connection.execute("select pgflow.run_flow(%s, %s)", [slug, json.dumps(value)])
        row = pgflow_connection.execute(
            "select * from pgflow.claim_step_tasks('kubernetes', 'w', 1, 60, 'launch', 'none')"
        ).fetchone()
        asked = KubernetesStepOptions(command=command, **options)
        attempt = attempt_of(row, asked)
        envelope = Envelope.of(attempt, ReportTarget("http", api), inline_input=False)
        secret = {ENVELOPE: envelope.to_json(with_token=False), TOKEN: str(attempt.attempt_token)}
        settings = KubernetesSettings(namespace="tasks", image="words:1")
        manifest = build_job(attempt, settings, secret, patience=timedelta(minutes=1))
        return Pod(manifest, secret, tmp_path)

    return launch


def attempt_of(row: dict, options: KubernetesStepOptions) -> Attempt:
    same = ("run_id", "flow_slug", "flow_version", "step_slug", "step_type", "task_index", "attempt")
    more = ("attempt_token", "handler", "max_attempts", "failures", "external_id", "lease_expires_at")
    heartbeat = row["heartbeat_timeout_seconds"]
    return Attempt(
        **{name: row[name] for name in (*same, *more)},
        params=None,
        input=None,
        options=options,
        timeout=timedelta(seconds=float(row["timeout_seconds"])),
        heartbeat_timeout=None if heartbeat is None else timedelta(seconds=float(heartbeat)),
    )


@pytest.fixture
def task(pgflow_connection):
    """Read the task that there is."""
    read = "select status, output, error, failures, run_id from pgflow.step_tasks"
    return lambda: pgflow_connection.execute(read).fetchone()


@pytest.fixture
def holding(launched, tmp_path):
    """Start a program that has begun and does not end; it is killed after the test."""
    processes = []

    def hold(**options: object) -> subprocess.Popen[str]:
        program = tmp_path / "hold.mjs"
        program.write_text(HOLD)
        process = launched("", [node(), str(program)], **options).start()
        processes.append(process)
        assert process.stdout.readline() == "begun\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("envelope", ["env", "file", "stdin"])
def test_a_program_reads_its_envelope_runs_and_reports(launched, task, envelope):
    assert launched("to be or not", envelope=envelope).run() == (0, "")
    assert (task()["status"], task()["output"]) == ("completed", 4)


def test_the_program_runs_under_deno_as_well(launched, task, tmp_path):
    rights = ["--allow-env", "--allow-net", "--allow-read"]
    pod = launched("to be or not", [find_deno(), "run", "--quiet", "--no-lock", *rights, "words.mjs"])
    pod.environment["DENO_DIR"] = str(tmp_path)
    assert pod.run() == (0, "")
    assert (task()["status"], task()["output"]) == ("completed", 4)


@pytest.mark.parametrize("envelope", ["file", "stdin"])
def test_the_runtime_reads_its_envelope(launched, task, envelope):
    step = {"handler": "cluster_flows:measure", "params": {"word": "run"}}
    pod = launched("three", None, step=step, envelope=envelope)
    pod.environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    code, said = pod.run(PROJECT)
    assert (code, task()["status"], task()["output"]) == (0, "completed", 5), said


def test_what_a_program_throws_is_the_error_of_its_task(launched, task):
    code, said = launched({"no": "text"}).run()
    assert (code, "the input is no text" in said) == (0, True)
    error = task()["error"]
    assert (task()["status"], error["type"], error["message"]) == (
        "failed",
        "TypeError",
        "the input is no text",
    )


def test_another_instance_of_an_attempt_stops_and_reports_nothing(launched, task):
    pod = launched("a b")
    assert pod.run() == (0, "")
    pod.environment["PGFLOW_INSTANCE"] = "another"
    assert pod.run() == (0, "")
    assert task()["output"] == 2


def test_a_program_that_is_told_to_end_hands_its_attempt_back(holding, task):
    process = holding()
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    assert (task()["status"], task()["failures"]) == ("queued", 0)


def test_a_program_hears_by_its_heartbeat_that_nobody_wants_it(holding, task, pgflow_connection):
    process = holding(step={"options": {"heartbeat_timeout": 3}})
    pgflow_connection.execute("select pgflow.cancel_run(%s)", [task()["run_id"]])
    assert process.wait(SECONDS) == 0
    assert task()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("envelope", "said"),
    [
        ("{", "there is no envelope"),
        ('{"v": 2, "report": {"kind": "http"}}', "cannot use an envelope of version 2"),
    ],
)
def test_an_envelope_that_cannot_be_used_is_told_by_the_exit_code(launched, task, envelope, said):
    pod = launched("a b")
    pod.environment["PGFLOW_ENVELOPE"] = envelope
    code, output = pod.run()
    assert (code, said in output) == (2, True)
    assert task()["failures"] == 0


def test_a_program_that_nobody_answers_says_so_by_its_exit_code(launched, task):
    pod = launched("a b")
    envelope = json.loads(pod.environment["PGFLOW_ENVELOPE"])
    envelope |= {
        "launch_deadline": "2020-01-01T00:00:00Z",
        "report": {"kind": "http", "url": "http://127.0.0.1:9/"},
    }
    pod.environment["PGFLOW_ENVELOPE"] = json.dumps(envelope)
    assert pod.run() == (1, "")
    assert task()["status"] == "claimed"


def test_an_output_that_is_refused_fails_its_task_once(launched, task, tmp_path):
    program = tmp_path / "large.mjs"
    program.write_text(
        f'import {{ run }} from "{EXAMPLE / "task.mjs"}";\nawait run(() => "x".repeat(2 ** 21));'
    )
    step = {"options": {"max_attempts": 3}}
    assert launched("", [node(), str(program)], step=step).run() == (0, "")
    assert (task()["status"], task()["error"]["code"]) == ("failed", "BODY_TOO_LARGE")
