"""The manifests that we ship: a dispatcher as they start it, and its account in a real cluster."""

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
from .conftest import Namespace
from .test_rights import eventually, running

pytestmark = [pytest.mark.slow, pytest.mark.clusters("real")]

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


@pytest.fixture
def applied(control_plane, tmp_path):
    """The namespace of tasks, once kubectl has applied all manifests that an old API server needs."""
    deploy = os.path.relpath(DEPLOY, tmp_path.resolve())
    parts = {"resources": [f"{deploy}/base"], "components": [f"{deploy}/components/before-1.22"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(parts))

    def kubectl(*words: str) -> None:
        command = [Path(sys.executable).with_name("kubectl"), *words, "-k", tmp_path]
        kubeconfig = {"KUBECONFIG": str(control_plane.kubeconfig)}
        done = subprocess.run(
            command,
            check=False,
            env={**environment(tmp_path), **kubeconfig},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stderr

    try:
        kubectl("apply")
        yield Namespace("pgflow-tasks", control_plane.kubeconfig, None, control_plane.shell)
    finally:
        kubectl("delete", "--ignore-not-found")


async def test_the_account_that_is_applied_may_do_what_the_doctor_asks_for(applied, tmp_path):
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
    made = applied.core.create_namespaced_service_account_token("pgflow-dispatcher", "pgflow", asked)
    config = json.loads(applied.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": made.status.token}
    kubeconfig = tmp_path / "dispatcher.kubeconfig"
    kubeconfig.write_text(json.dumps(config))

    def lacks(found):
        return [each.finding for each in found if "must not" in each.finding]

    async with running(applied.instance(kubeconfig=str(kubeconfig))) as executor:
        # The authorizer hears of a Role a moment later.
        await eventually(executor.check, lambda found: not lacks(found))
    async with running(applied.instance(kubeconfig=str(kubeconfig), namespace="default")) as executor:
        assert "create jobs" in lacks(await executor.check())[0]
