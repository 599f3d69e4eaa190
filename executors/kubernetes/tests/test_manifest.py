"""The Job of an attempt: what goes into it, from whom, and what nobody changes."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from pgflow.errors import ConfigError, DefinitionError
from pgflow.plugins import Plugins, configure
from pgflow_kubernetes import Job
from pgflow_kubernetes.allowed import refusals
from pgflow_kubernetes.executor import KubernetesExecutor
from pgflow_kubernetes.manifest import build_job, same_job
from pgflow_kubernetes.merging import merged
from pgflow_kubernetes.secret import build_secret

from .support import CREDENTIALS, NAME, TOKEN, make_attempt, make_settings

MINUTE = timedelta(minutes=1)


def build(options=None, *, patience=MINUTE, attempt=None, **settings):
    return build_job(
        make_attempt(options, **(attempt or {})), make_settings(**settings), CREDENTIALS, patience=patience
    )


def pod_of(manifest):
    return manifest["spec"]["template"]["spec"]


def task_of(manifest):
    (container,) = [each for each in pod_of(manifest)["containers"] if each["name"] == "task"]
    return container


def env_of(manifest):
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in task_of(manifest)["env"]}


def test_the_usual_job():
    manifest = build()
    about, spec = manifest["metadata"], manifest["spec"]
    assert (about["name"], about["namespace"]) == (NAME, "tasks")
    assert about["labels"] == {
        "app.kubernetes.io/managed-by": "pgflow",
        "pgflow.dev/installation": "pgflow",
        "pgflow.dev/attempt": NAME,
    }
    assert spec["template"]["metadata"]["labels"] == about["labels"]
    assert {key: spec[key] for key in ("backoffLimit", "completions", "parallelism", "suspend")} == {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "suspend": True,
    }
    assert spec["podFailurePolicy"]["rules"][0]["action"] == "FailJob"
    assert spec["activeDeadlineSeconds"] == 60 + 60 + 60
    assert spec["ttlSecondsAfterFinished"] == 3600
    assert pod_of(manifest)["restartPolicy"] == "Never"
    assert pod_of(manifest)["automountServiceAccountToken"] is False
    task = task_of(manifest)
    assert (task["image"], task["command"]) == ("flows:1", ["python", "-m", "pgflow.runtime"])
    assert "resources" not in task
    assert env_of(manifest) == {
        "PGFLOW_INSTANCE": {"fieldRef": {"fieldPath": "metadata.uid"}},
        "PGFLOW_ENVELOPE": {"secretKeyRef": {"name": NAME, "key": "envelope"}},
        "PGFLOW_ATTEMPT_TOKEN": {"secretKeyRef": {"name": NAME, "key": "token"}},
    }
    assert str(TOKEN) not in str(manifest)


def test_all_that_a_step_may_ask_for():
    asked = Job(
        image="gpu:2",
        cpu=0.5,
        memory="16Gi",
        gpu=2,
        env={"MODE": "fast"},
        service_account="trainer",
        node_selector={"pool": "gpu"},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
        volumes={"/data": {"persistentVolumeClaim": {"claimName": "data"}}, "/tmp": {"emptyDir": {}}},
        command=["/bin/train"],
        envelope="env",
    )
    manifest = build(asked.executor_options())
    pod, task = pod_of(manifest), task_of(manifest)
    assert task["resources"] == {
        "requests": {"cpu": "0.5", "memory": "16Gi"},
        "limits": {"memory": "16Gi", "nvidia.com/gpu": "2"},
    }
    assert (task["image"], task["command"], env_of(manifest)["MODE"]) == ("gpu:2", ["/bin/train"], "fast")
    assert (pod["serviceAccountName"], pod["nodeSelector"]) == ("trainer", {"pool": "gpu"})
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert pod["volumes"] == [
        {"name": "step-0", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "step-1", "emptyDir": {}},
    ]
    assert task["volumeMounts"] == [
        {"name": "step-0", "mountPath": "/data"},
        {"name": "step-1", "mountPath": "/tmp"},
    ]


def test_each_layer_goes_over_the_one_before_but_for_what_is_ours():
    theirs = {
        "metadata": {"labels": {"team": "ml", "pgflow.dev/attempt": "another"}, "name": "mine"},
        "spec": {
            "backoffLimit": 6,
            "ttlSecondsAfterFinished": 60,
            "template": {
                "spec": {
                    "restartPolicy": "OnFailure",
                    "serviceAccountName": "usual",
                    "containers": [
                        {
                            "name": "task",
                            "env": [{"name": "PGFLOW_ATTEMPT_TOKEN", "value": "x"}],
                            "command": ["x"],
                        },
                        {"name": "proxy", "image": "proxy:1"},
                    ],
                }
            },
        },
    }
    patch = {
        "spec": {
            "template": {"spec": {"containers": [{"name": "task", "image": "patched"}], "nodeSelector": None}}
        }
    }
    options = {"service_account": "mine", "node_selector": {"a": "b"}, "manifest_patch": patch}
    manifest = build(options, template=theirs)
    assert manifest["metadata"]["labels"]["team"] == "ml"
    assert (manifest["metadata"]["name"], manifest["metadata"]["labels"]["pgflow.dev/attempt"]) == (
        NAME,
        NAME,
    )
    assert (manifest["spec"]["backoffLimit"], manifest["spec"]["ttlSecondsAfterFinished"]) == (0, 60)
    pod = pod_of(manifest)
    assert (pod["restartPolicy"], pod["serviceAccountName"], "nodeSelector" in pod) == (
        "Never",
        "mine",
        False,
    )
    assert [each["name"] for each in pod["containers"]] == ["task", "proxy"]
    assert (task_of(manifest)["image"], task_of(manifest)["command"]) == ("patched", ["x"])
    token = next(e for e in task_of(manifest)["env"] if e["name"] == "PGFLOW_ATTEMPT_TOKEN")
    assert token.keys() == {"name", "valueFrom"}


def test_plugins_edit_the_job_but_not_what_is_ours():
    def edited(body):
        changed = merged(
            body, {"spec": {"template": {"spec": {"priorityClassName": "batch"}}, "backoffLimit": 3}}
        )
        return merged(
            changed, {"metadata": {"name": "mine", "annotations": {"seen": body["metadata"]["name"]}}}
        )

    manifest = build_job(make_attempt(), make_settings(), CREDENTIALS, patience=MINUTE, edited=edited)
    assert pod_of(manifest)["priorityClassName"] == "batch"
    assert (manifest["metadata"]["name"], manifest["spec"]["backoffLimit"]) == (NAME, 0)
    assert manifest["metadata"]["annotations"]["seen"] == NAME
    assert not same_job(build(), manifest)


def test_plain_variables_keep_their_dollars_and_need_no_suspension():
    credentials = {"envelope": '{"params": "$(HOME) $$"}', "token": str(TOKEN)}
    settings = make_settings(credentials="env", handlers=("shop.*:*", "jobs:*"))
    manifest = build_job(make_attempt(), settings, credentials, patience=MINUTE)
    assert manifest["spec"]["suspend"] is False
    # Kubernetes makes one dollar of two.
    assert env_of(manifest)["PGFLOW_ENVELOPE"].replace("$$", "$") == credentials["envelope"]
    assert env_of(manifest)["PGFLOW_ATTEMPT_TOKEN"] == str(TOKEN)
    assert env_of(manifest)["PGFLOW_HANDLERS"] == "shop.*:*,jobs:*"


@pytest.mark.parametrize(
    "settings", [{"template": {"spec": {"ttlSecondsAfterFinished": 61}}}, {"image": "flows:2"}]
)
def test_the_hash_tells_jobs_apart_but_not_launches_of_one(settings):
    first = build()
    assert same_job(first, build(patience=timedelta(seconds=3)))
    assert same_job({**first, "spec": {}}, first)
    assert not same_job(build(**settings), first)
    assert not same_job(build(attempt={"external_id": "pgf-0123456789-2"}), first)
    assert not same_job({**first, "metadata": {**first["metadata"], "deletionTimestamp": "now"}}, first)
    assert not same_job({"metadata": {"name": NAME}}, first)


@pytest.mark.parametrize(("patience", "deadline"), [(-MINUTE, 120), (timedelta(days=9), 60 + 60 + 86400)])
def test_the_deadline_is_a_last_resort(patience, deadline):
    assert build(patience=patience)["spec"]["activeDeadlineSeconds"] == deadline


@pytest.mark.parametrize(
    ("way", "size", "said"),
    [
        ("env", 131_072, 'more than a variable holds: choose envelope="file"'),
        ("file", 1_048_576, "more than a Secret holds"),
    ],
)
def test_an_envelope_that_cannot_travel_is_refused(way, size, said):
    credentials = {**CREDENTIALS, "envelope": "x" * size}
    with pytest.raises(ValueError, match=said):
        build_job(make_attempt({"envelope": way}), make_settings(), credentials, patience=MINUTE)


@pytest.mark.parametrize("way", ["env", "file", "stdin"])
def test_who_may_read_jobs_and_pods_but_no_secrets_learns_nothing(way):
    credentials = {"envelope": "who-am-i", "token": str(TOKEN)}
    manifest = build_job(make_attempt({"envelope": way}), make_settings(), credentials, patience=MINUTE)
    assert not [value for value in credentials.values() if value in json.dumps(manifest)]


def test_the_envelope_as_a_file():
    envelope = {**CREDENTIALS, "envelope": "x" * 131_072}
    attempt = make_attempt({"envelope": "file", "volumes": {"/data": {"emptyDir": {}}}})
    manifest = build_job(attempt, make_settings(), envelope, patience=MINUTE)
    pod, task = pod_of(manifest), task_of(manifest)
    assert task["command"] == ["python", "-m", "pgflow.runtime"]
    assert env_of(manifest) == {
        "PGFLOW_INSTANCE": {"fieldRef": {"fieldPath": "metadata.uid"}},
        "PGFLOW_ATTEMPT_TOKEN": {"secretKeyRef": {"name": NAME, "key": "token"}},
        "PGFLOW_ENVELOPE_FILE": "/var/run/pgflow/envelope",
    }
    items = [{"key": "envelope", "path": "envelope"}]
    secret = {"secretName": NAME, "defaultMode": 0o444, "items": items}
    assert pod["volumes"] == [{"name": "step-0", "emptyDir": {}}, {"name": "pgflow", "secret": secret}]
    assert task["volumeMounts"][1] == {"name": "pgflow", "mountPath": "/var/run/pgflow", "readOnly": True}


def test_the_envelope_as_standard_input_of_whatever_command_there_is():
    manifest = build({"envelope": "stdin", "command": ["/bin/x", "a b"]})
    opened = ["sh", "-c", 'exec "$@" </var/run/pgflow/envelope', "sh"]
    assert task_of(manifest)["command"] == [*opened, "/bin/x", "a b"]
    assert env_of(manifest).keys() == {"PGFLOW_INSTANCE", "PGFLOW_ATTEMPT_TOKEN"}
    usual = task_of(build({"envelope": "stdin"}))
    assert usual["command"] == [*opened, "python", "-m", "pgflow.runtime"]
    without = {"spec": {"template": {"spec": {"containers": [{"name": "task", "command": None}]}}}}
    with pytest.raises(ValueError, match="needs a command"):
        build({"envelope": "stdin"}, template=without)


REFUSED = [
    ({}, {"image": None}, "names no image"),
    ({"image": "evil:1"}, {"images": ["flows:*"]}, "add it to `images`"),
    ({"service_account": "admin"}, {"service_accounts": ["task-*"]}, "add it to `service_accounts`"),
    ({"command": ["sh", "-c", "x"]}, {"commands": ["/bin/*"]}, "add it to `commands`"),
    ({"env": {"PGFLOW_HANDLERS": "*:*"}}, {}, "must not set PGFLOW_HANDLERS"),
    ({"env": {"LD_PRELOAD": "x"}}, {}, "must not set LD_PRELOAD"),
    ({"env": {"PYTHONPATH": "/data"}}, {}, "must not set PYTHONPATH"),
    ({"volumes": {"/x": {"hostPath": {"path": "/"}}}}, {}, "hostPath at /x is not allowed"),
    ({"envelope": "file"}, {"credentials": "env"}, 'set `credentials = "secret"`'),
    ({"manifest_patch": {}}, {}, "manifest_patches = true"),
]


@pytest.mark.parametrize(("options", "settings", "said"), REFUSED, ids=[row[2] for row in REFUSED])
def test_a_step_gets_what_the_operator_allows(options, settings, said):
    (refusal,) = refusals(make_settings(**settings), make_attempt(options).options)
    assert said in refusal


def test_what_is_allowed_is_not_refused():
    options = {
        "image": "flows:7",
        "service_account": "task-1",
        "command": ["/bin/x", "-v"],
        "env": {"MODE": "a"},
        "volumes": {"/x": {"emptyDir": {}}},
        "manifest_patch": {"spec": {}},
    }
    allowed = make_settings(
        images=["flows:*"], service_accounts=["task-*"], commands=["/bin/x *"], manifest_patches=True
    )
    assert refusals(allowed, make_attempt(options).options) == []


WRONG = [
    ({"namespace": "No Good"}, "namespace"),
    ({"namespace": None}, "`namespace` is missing"),
    ({"template": {"metadatas": {}}}, "metadatas"),
    ({"imag": "x"}, "did you mean `image`"),
    ({"ttl": 1}, "ttl"),
]


@pytest.mark.parametrize(("settings", "said"), WRONG)
def test_settings_that_cannot_work_are_refused(settings, said):
    given = {name: value for name, value in {"namespace": "n", **settings}.items() if value is not None}
    with pytest.raises(ConfigError, match=said):
        configure(Plugins(executors={"kubernetes": KubernetesExecutor}), "kubernetes", "kubernetes", given)


@pytest.mark.parametrize(
    "options",
    [
        {"memory": "lots"},
        {"envelope": "pipe"},
        {"gpu": 0},
        {"volumes": {"data": {"emptyDir": {}}}},
        {"volumes": {"/x": {}}},
        {"disk": 1},
    ],
)
def test_options_that_no_job_could_have_are_refused_at_deploy(options):
    plugins = Plugins(executors={"kubernetes": KubernetesExecutor})
    instance = configure(plugins, "kubernetes", "kubernetes", {"namespace": "n"})
    with pytest.raises(DefinitionError):
        instance.step_options(options)


MERGES = [
    ({"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"c": None, "e": {"f": None}}}, {"a": 1, "b": {"d": 2, "e": {}}}),
    (
        [{"name": "a", "x": 1}, {"name": "b"}],
        [{"name": "b", "y": 2}, {"name": "c"}],
        [{"name": "a", "x": 1}, {"name": "b", "y": 2}, {"name": "c"}],
    ),
    ([{"key": "a"}], [{"key": "b"}], [{"key": "b"}]),
    (
        [{"name": "a", "value": "1"}, {"name": "b", "valueFrom": {"x": 1}}],
        [{"name": "b", "value": "2"}, {"name": "a", "valueFrom": {"y": 1}}],
        [{"name": "a", "valueFrom": {"y": 1}}, {"name": "b", "value": "2"}],
    ),
    (
        [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}],
        [{"name": "w", "mountPath": "/b"}],
        [{"name": "v", "mountPath": "/a"}, {"name": "w", "mountPath": "/b"}],
    ),
    ([{"name": "a"}], [], []),
    ({"a": 1}, "x", "x"),
    (None, {"a": {"b": None}}, {"a": {}}),
]


@pytest.mark.parametrize(("base", "patch", "whole"), MERGES)
def test_manifests_merge_by_key_and_by_name(base, patch, whole):
    before = str(base)
    assert merged(base, patch) == whole
    assert str(base) == before


def test_the_secret_goes_with_its_job():
    job = {"metadata": {"name": NAME, "uid": "u"}}
    secret = build_secret(NAME, "pgflow", CREDENTIALS, job)
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], secret["stringData"]) == ("Job", "u", CREDENTIALS)
    assert "ownerReferences" not in build_secret(NAME, "pgflow", CREDENTIALS, None)["metadata"]
