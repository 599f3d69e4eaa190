"""The manifests of `deploy/`, as kubectl renders them: valid, and of one piece with the executor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from pgflow import config
from pgflow_kubernetes.checking import NEEDS, SECRET, SECRET_FIRST
from pgflow_kubernetes.manifest import build_job
from pgflow_kubernetes.secret import build_secret
from pgflow_kubernetes.settings import KubernetesSettings

from .support import CREDENTIALS, NAME, make_attempt, make_settings

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
#: The oldest and the newest that the validator knows.
VERSIONS = ("1.25", "1.37")
#: Seconds for the last reports, after `grace`.
REPORTS = 20


def render(folder: Path) -> list[dict]:
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return list(yaml.safe_load_all(done.stdout))


def one(manifests: list[dict], kind: str, name: str) -> dict:
    (found,) = [each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


@pytest.fixture(scope="module")
def base():
    return render(DEPLOY / "base")


@pytest.fixture(scope="module")
def example():
    return render(DEPLOY / "example")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The base with every component."""
    folder = tmp_path_factory.mktemp("full").resolve()
    deploy = os.path.relpath(DEPLOY, folder)
    components = [f"{deploy}/components/{each.name}" for each in (DEPLOY / "components").iterdir()]
    parts = {"resources": [f"{deploy}/base"], "components": components}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    return render(folder)


#: Of the Prometheus operator; and of servers that are older than every schema that there is.
UNKNOWN = {"ServiceMonitor", "policy/v1beta1"}


@pytest.fixture(scope="module")
def release():
    return yaml.safe_load((DEPLOY / "example/release.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_deployed_is_valid(example, full, release, version):
    for manifest in [*example, *full, release]:
        if not UNKNOWN & {manifest["kind"], manifest["apiVersion"]}:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.fixture(scope="module")
def page():
    return (DEPLOY.parents[2] / "docs/how-to/kubernetes-dispatcher.md").read_text(encoding="utf-8")


@pytest.fixture
def shown(page):
    """The blocks of YAML in the guide."""
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]


def test_the_files_that_the_guide_names_are_there(page):
    files = [f"/{each.relative_to(DEPLOY)}" for each in DEPLOY.rglob("*.yaml")]
    named = re.findall(r"[\w/-]+\.yaml\b", page)
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []


def test_the_policy_of_the_guide_is_valid(shown):
    (policy,) = [each for each in shown if "apiVersion" in each]
    for version in VERSIONS:
        kubernetes_validate.validate(policy, version, strict=True)


def test_the_guide_shows_the_example(shown):
    (overlay,) = [each for each in shown if "resources" in each]
    file = yaml.safe_load((DEPLOY / "example/kustomization.yaml").read_text(encoding="utf-8"))
    assert {name: file[name] for name in overlay} == overlay


JOBS = [
    {},
    {
        "image": "gpu:2",
        "cpu": 0.5,
        "memory": "16Gi",
        "gpu": 2,
        "env": {"MODE": "fast"},
        "node_selector": {"pool": "gpu"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "volumes": {"/data": {"persistentVolumeClaim": {"claimName": "data"}}},
        "envelope": "file",
    },
    {"command": ["/bin/x"], "envelope": "stdin"},
]


@pytest.mark.parametrize("options", JOBS, ids=["usual", "much", "stdin"])
def test_what_the_executor_makes_is_valid(options):
    job = build_job(make_attempt(options), make_settings(), CREDENTIALS, patience=timedelta(minutes=1))
    kubernetes_validate.validate(job, VERSIONS[-1], strict=True)
    # Fields that are newer are dropped by older servers.
    kubernetes_validate.validate(job, VERSIONS[0])
    made = {**job, "metadata": {**job["metadata"], "uid": "u"}}
    for version in VERSIONS:
        kubernetes_validate.validate(build_secret(NAME, "pgflow", CREDENTIALS, made), version, strict=True)


def test_the_validator_finds_what_is_wrong(base):
    deployment = one(base, "Deployment", "pgflow-dispatcher")
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 2}}
    for version in VERSIONS:
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, version, strict=True)


def granted(role: dict) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_role_grants_what_the_doctor_asks_for_and_nothing_else(base, full):
    role = one(base, "Role", "pgflow-dispatcher")
    assert granted(role) == {*NEEDS, *SECRET}
    assert granted(one(full, "Role", "pgflow-dispatcher-secrets")) == {*SECRET_FIRST} - {*SECRET}
    assert [each["kind"] for each in base if "Cluster" in each["kind"]] == []


@pytest.mark.parametrize("name", ["base", "example"])
def test_all_fits_together(request, name):
    manifests = request.getfixturevalue(name)
    deployment = one(manifests, "Deployment", "pgflow-dispatcher")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    namespace = deployment["metadata"]["namespace"]
    subject = {"kind": "ServiceAccount", "name": pod["serviceAccountName"], "namespace": namespace}
    (read,) = [each for each in manifests if each["kind"] == "ConfigMap"]
    assert pod["volumes"][0]["configMap"]["name"] == read["metadata"]["name"]

    settings = config.load(file=DEPLOY / name / "pgflow.toml").settings
    assert read["data"]["pgflow.toml"] == (DEPLOY / name / "pgflow.toml").read_text()
    port = int(settings.dispatcher.http.rpartition(":")[2])
    executor = KubernetesSettings(**settings.executors["kubernetes"].model_extra)
    binding = one(manifests, "RoleBinding", "pgflow-dispatcher")
    assert (binding["metadata"]["namespace"], binding["subjects"]) == (executor.namespace, [subject])
    task = one(manifests, "ServiceAccount", executor.service_account)
    assert (task["metadata"]["namespace"], task["automountServiceAccountToken"]) == (
        executor.namespace,
        False,
    )
    assert pod["terminationGracePeriodSeconds"] >= settings.dispatcher.grace + REPORTS

    assert container["ports"] == [{"name": "http", "containerPort": port}]
    probes = [container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")]
    assert probes == [{"path": "/healthz", "port": "http"}, {"path": "/readyz", "port": "http"}]
    marks = deployment["spec"]["template"]["metadata"]["labels"]
    service = one(manifests, "Service", "pgflow-dispatcher")
    assert service["spec"]["selector"] == marks
    assert one(manifests, "PodDisruptionBudget", "pgflow-dispatcher")["spec"]["selector"] == {
        "matchLabels": marks
    }
    url = urlsplit(settings.api.public_url)
    about = service["metadata"]
    assert (url.hostname, url.port) == (f"{about['name']}.{about['namespace']}.svc", port)
    reports = one(manifests, "NetworkPolicy", "pgflow-tasks")["spec"]["egress"][1]
    assert reports["to"][0]["podSelector"]["matchLabels"] == marks
    assert reports["ports"] == [{"port": port, "protocol": "TCP"}]


def test_policies_of_tasks_hold_for_whatever_jobs_there_are(base):
    policy = one(base, "NetworkPolicy", "pgflow-tasks")["spec"]
    assert (policy["podSelector"], "ingress" in policy) == ({}, False)


def test_the_monitor_finds_the_service(full):
    spec = one(full, "ServiceMonitor", "pgflow-dispatcher")["spec"]
    service = one(full, "Service", "pgflow-dispatcher")
    assert spec["selector"]["matchLabels"] == service["metadata"]["labels"]
    assert [each["port"] for each in spec["endpoints"]] == [each["name"] for each in service["spec"]["ports"]]


def test_our_own_pods_keep_to_the_restricted_level_of_their_namespace(base, release):
    namespace = one(base, "Namespace", "pgflow")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for owner in (one(base, "Deployment", "pgflow-dispatcher"), release):
        assert owner["metadata"]["namespace"] == "pgflow"
        pod = owner["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert all({"configMap", "emptyDir"} & volume.keys() for volume in pod.get("volumes", []))


def test_the_example_changes_what_is_its_own(example, release):
    deployment = one(example, "Deployment", "pgflow-dispatcher")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/shop/dispatcher:2026-01-15"
    assert deployment["spec"]["replicas"] == 3
    settings = config.load(file=DEPLOY / "example/pgflow.toml").settings
    (released,) = release["spec"]["template"]["spec"]["containers"]
    assert released["image"] == settings.executors["kubernetes"].model_extra["image"]
