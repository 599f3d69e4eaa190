"""The dispatcher of the manifests that we ship: its command and configuration, asked what its probes ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from ..snippets import environment

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).resolve().parents[2] / "executors/kubernetes/deploy"
SECONDS = 60
#: An API server that never answers.
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "nowhere",
    "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}],
    "clusters": [{"name": "nowhere", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "nobody", "user": {"token": "none"}}],
}


@pytest.fixture
def container():
    deployment = yaml.safe_load((DEPLOY / "base/deployment.yaml").read_text(encoding="utf-8"))
    return deployment["spec"]["template"]["spec"]["containers"][0]


@pytest.fixture
def dispatcher(container, pgflow_database, tmp_path):
    """The container's command with the ConfigMap where it is mounted, on a port that is free."""
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text(json.dumps(KUBECONFIG))
    (name,) = (each["name"] for each in container["env"])
    variables = {name: pgflow_database, "PGFLOW_DISPATCHER__HTTP": "127.0.0.1:0"}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    command = [word.replace(mounts["config"], str(DEPLOY / "base")) for word in container["command"]]
    process = subprocess.Popen(
        command,
        executable=Path(sys.executable).with_name(command[0]),
        cwd=os.sep,
        env={**environment(tmp_path), **variables},
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def test_the_deployment_serves_what_probes_and_pods_ask(container, dispatcher):
    said = ""
    while " serves /healthz" not in said:
        said = json.loads(dispatcher.stderr.readline())["message"]
    with httpx.Client(base_url=said.split()[0], timeout=SECONDS, trust_env=False) as client:
        for probe in ("livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"]
            deadline = time.monotonic() + SECONDS
            while (answer := client.get(path)).status_code != 200:
                assert time.monotonic() < deadline, answer.text
                time.sleep(0.1)
        assert client.get("/metrics").status_code == 200
        assert client.post("/v1/tasks/start", json={}).json()["code"] == "TOKEN_MISSING"
    dispatcher.terminate()
    assert dispatcher.wait(SECONDS) == 0
