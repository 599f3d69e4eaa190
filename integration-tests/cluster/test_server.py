"""What executors rely on, of an API server: the same of the double, of a real control plane, of any cluster.

Nothing here needs the image of a step: commands are a shell's.  Where a server is older than a field of Jobs,
the test of that field is skipped.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException

from ..dispatching import until
from .clusters import CLUSTERS, SHELL

pytestmark = [pytest.mark.slow, pytest.mark.clusters(*CLUSTERS)]


@pytest.fixture
def refused():
    """Make a call that is refused: `status, body = refused(call, ...)`."""

    def call(operation, *args, **query):
        with pytest.raises(ApiException) as caught:
            operation(*args, **query)
        return caught.value.status, json.loads(caught.value.body)

    return call


@pytest.fixture
def honours(namespace):
    """Skip where the server drops fields of a Job: `honours("suspend")`."""

    def check(*fields):
        rule = {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
        probe = manifest(namespace, "probe", "true", suspend=True, podFailurePolicy={"rules": [rule]})
        answer = namespace.batch.create_namespaced_job(
            namespace.name, probe, dry_run="All", _preload_content=False
        )
        dropped = [field for field in fields if not json.loads(answer.data)["spec"].get(field)]
        if dropped:
            pytest.skip(f"this server drops {', '.join(dropped)} of Jobs")

    return check


def manifest(
    namespace, name: str, script: str, *, env=(), image=None, grace=2, **spec: Any
) -> dict[str, Any]:
    container = {
        "name": "task",
        "image": image or namespace.shell,
        "command": ["sh", "-c", script],
        "env": list(env),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": grace, "containers": [container]}
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, **spec, "template": {"spec": pod}}}


def create(namespace, *args: Any, **more: Any) -> dict[str, Any]:
    answer = namespace.batch.create_namespaced_job(
        namespace.name, manifest(namespace, *args, **more), _preload_content=False
    )
    return json.loads(answer.data)


def raw(call, *args: Any, **query: Any) -> Any:
    return json.loads(call(*args, _preload_content=False, **query).data)


def pods_of(namespace, name: str) -> list[dict[str, Any]]:
    selector = f"job-name={name}"
    return raw(namespace.core.list_namespaced_pod, namespace.name, label_selector=selector)["items"]


def ended(namespace, name: str) -> dict[str, Any] | None:
    status = raw(namespace.batch.read_namespaced_job, name, namespace.name).get("status") or {}
    found = [each for each in status.get("conditions") or () if each["type"] in {"Complete", "Failed"}]
    return {**found[0], "all": status} if found and found[0]["status"] == "True" else None


async def end_of(namespace, name: str) -> dict[str, Any]:
    return await until(lambda: ended(namespace, name))


async def running_pod(namespace, name: str) -> dict[str, Any]:
    def look():
        return [pod for pod in pods_of(namespace, name) if pod["status"].get("phase") == "Running"]

    return (await until(look))[0]


async def state_of(namespace, name: str, reasons: set[str]) -> dict[str, Any]:
    """Wait until the container of a Job waits for one of these reasons."""

    def look():
        for pod in pods_of(namespace, name):
            for each in pod["status"].get("containerStatuses") or ():
                if each["state"].get("waiting", {}).get("reason") in reasons:
                    return each["state"]["waiting"]
        return None

    return await until(look)


class TestObjects:
    """Create, read, change, delete."""

    def test_a_name_is_given_once(self, namespace, refused):
        create(namespace, "one", "true")
        body = manifest(namespace, "one", "true")
        status, told = refused(namespace.batch.create_namespaced_job, namespace.name, body)
        assert (status, told["reason"], told["kind"]) == (409, "AlreadyExists", "Status")
        assert told["message"] == 'jobs.batch "one" already exists'

    def test_what_is_not_there_is_not_found(self, namespace, refused):
        status, told = refused(namespace.batch.read_namespaced_job, "nobody", namespace.name)
        assert (status, told["reason"]) == (404, "NotFound")
        body = manifest(namespace, "one", "true")
        assert refused(namespace.batch.create_namespaced_job, "no-such-namespace", body)[0] == 404

    def test_a_version_that_is_not_the_latest_conflicts(self, namespace, refused):
        secret = raw(namespace.core.create_namespaced_secret, namespace.name, {"metadata": {"name": "s"}})
        change = {**secret, "stringData": {"a": "1"}}
        newer = raw(namespace.core.replace_namespaced_secret, "s", namespace.name, change)
        assert newer["data"] == {"a": "MQ=="}
        status, told = refused(namespace.core.replace_namespaced_secret, "s", namespace.name, change)
        assert (status, told["reason"]) == (409, "Conflict")
        assert "the object has been modified" in told["message"]
        same = raw(namespace.core.patch_namespaced_secret, "s", namespace.name, {"metadata": {"labels": {}}})
        assert same["metadata"]["resourceVersion"] == newer["metadata"]["resourceVersion"]

    def test_a_uid_is_a_condition_of_a_deletion(self, namespace, refused):
        create(namespace, "one", "sleep 60")
        wrong = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
        delete = namespace.batch.delete_namespaced_job
        status, told = refused(delete, "one", namespace.name, body=wrong)
        assert (status, told["reason"]) == (409, "Conflict")
        assert f"the UID in the precondition ({wrong['preconditions']['uid']})" in told["message"]

    def test_a_dry_run_leaves_nothing(self, namespace):
        body = manifest(namespace, "one", "true")
        namespace.batch.create_namespaced_job(namespace.name, body, dry_run="All")
        assert namespace.jobs() == []

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"restartPolicy": "Always"}, "spec.template.spec.restartPolicy"),
            ({"containers": []}, "spec.template.spec.containers"),
            ({"containers": [{"name": "task"}]}, "spec.template.spec.containers[0].image"),
        ],
    )
    def test_what_is_wrong_is_named(self, namespace, refused, change, field):
        body = manifest(namespace, "one", "true")
        body["spec"]["template"]["spec"] |= change
        status, told = refused(namespace.batch.create_namespaced_job, namespace.name, body)
        assert (status, told["reason"]) == (422, "Invalid")
        assert field in {cause["field"] for cause in told["details"]["causes"]}

    def test_the_template_of_a_job_is_fixed(self, namespace, refused):
        create(namespace, "one", "sleep 60")
        container = {"name": "task", "image": "other:1"}
        change = {"spec": {"template": {"spec": {"containers": [container]}}}}
        status, told = refused(namespace.batch.patch_namespaced_job, "one", namespace.name, change)
        assert (status, "field is immutable" in told["message"]) == (422, True)

    async def test_a_quota_refuses_one_too_many(self, namespace, refused):
        quota = {"metadata": {"name": "few"}, "spec": {"hard": {"count/secrets": "0"}}}
        namespace.core.create_namespaced_resource_quota(namespace.name, quota)
        read = namespace.core.read_namespaced_resource_quota
        await until(lambda: read("few", namespace.name).status.hard)
        body = {"metadata": {"name": "s"}}
        status, told = refused(namespace.core.create_namespaced_secret, namespace.name, body)
        assert (status, told["reason"]) == (403, "Forbidden")
        assert "exceeded quota: few, requested: count/secrets=1" in told["message"]


class TestLists:
    """Pages, selectors and watches."""

    @pytest.fixture
    def five(self, namespace):
        for number in range(5):
            about = {"name": f"s{number}", "labels": {"number": str(number), "odd": str(bool(number % 2))}}
            namespace.core.create_namespaced_secret(namespace.name, {"metadata": about})

    def listed(self, namespace, **query):
        return raw(namespace.core.list_namespaced_secret, namespace.name, **query)

    def test_pages_are_of_one_moment(self, namespace, five):
        selector = "odd in (True, False)"
        first = self.listed(namespace, label_selector=selector, limit=2)
        namespace.core.delete_namespaced_secret("s4", namespace.name)
        seen, page = [*first["items"]], first
        while token := page["metadata"].get("continue"):
            page = self.listed(namespace, label_selector=selector, limit=2, _continue=token)
            seen += page["items"]
        assert [each["metadata"]["name"] for each in seen] == ["s0", "s1", "s2", "s3", "s4"]
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    @pytest.mark.parametrize(
        ("selector", "wanted"),
        [
            ("odd=True", "13"),
            ("odd!=True,number", "024"),
            ("number in (1,2), odd==False", "2"),
            ("number notin (0,1,2),odd", "34"),
            ("!nothing,number=3", "3"),
        ],
    )
    def test_labels_select(self, namespace, five, selector, wanted):
        found = self.listed(namespace, label_selector=selector)["items"]
        names = {each["metadata"]["name"] for each in found if each["metadata"]["name"].startswith("s")}
        assert names >= {f"s{each}" for each in wanted}
        assert not names & {f"s{each}" for each in "01234" if each not in wanted}

    def test_fields_select(self, namespace, five):
        found = self.listed(namespace, field_selector="metadata.name=s3")["items"]
        assert [each["metadata"]["name"] for each in found] == ["s3"]

    def test_a_watch_goes_on_from_a_list(self, namespace, five):
        version = self.listed(namespace)["metadata"]["resourceVersion"]
        core, name = namespace.core, namespace.name
        core.patch_namespaced_secret("s1", name, {"metadata": {"labels": {"odd": "changed"}}})
        core.patch_namespaced_secret("s2", name, {"metadata": {"labels": {"odd": "True"}}})
        core.delete_namespaced_secret("s3", name)
        watched = kubernetes.watch.Watch().stream(
            core.list_namespaced_secret,
            name,
            label_selector="odd=True",
            resource_version=version,
            timeout_seconds=2,
        )
        seen = [(each["type"], each["object"].metadata.name) for each in watched]
        assert seen == [("DELETED", "s1"), ("ADDED", "s2"), ("DELETED", "s3")]

    def test_a_watch_ends_with_a_bookmark(self, namespace, five):
        version = self.listed(namespace)["metadata"]["resourceVersion"]
        response = namespace.core.list_namespaced_secret(
            namespace.name,
            watch=True,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=5,
            _preload_content=False,
        )
        events = [json.loads(line) for line in response.data.splitlines()]
        assert {each["type"] for each in events} == {"BOOKMARK"}
        assert all(int(each["object"]["metadata"]["resourceVersion"]) >= int(version) for each in events)


class TestJobs:
    """The Job controller and the node."""

    async def test_a_job_runs_its_command(self, namespace):
        secret = {"metadata": {"name": "token"}, "stringData": {"key": "hidden"}}
        namespace.core.create_namespaced_secret(namespace.name, secret)
        env = [
            {"name": "PLAIN", "value": "x"},
            {"name": "BOTH", "value": "$(PLAIN)-$$(PLAIN)"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "token", "key": "key"}}},
            {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        ]
        job = create(namespace, "one", 'echo "$BOTH $KEY $WHO"', env=env)
        end = await end_of(namespace, "one")
        assert (end["type"], end["all"]["succeeded"]) == ("Complete", 1)
        (pod,) = pods_of(namespace, "one")
        (owner,) = pod["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (job["metadata"]["uid"], True)
        log = namespace.core.read_namespaced_pod_log(pod["metadata"]["name"], namespace.name)
        assert log == f"x-$(PLAIN) hidden {pod['metadata']['uid']}\n"

    async def test_backoff_limit_0_is_one_pod(self, namespace):
        create(namespace, "one", "echo last words; exit 3")
        end = await end_of(namespace, "one")
        assert (end["type"], end["reason"], end["all"]["failed"]) == ("Failed", "BackoffLimitExceeded", 1)
        (pod,) = pods_of(namespace, "one")
        (container,) = pod["status"]["containerStatuses"]
        told = container["state"]["terminated"]
        assert (told["exitCode"], told["reason"], told["message"]) == (3, "Error", "last words\n")

    async def test_a_signal_is_128_more(self, namespace):
        if namespace.shell == SHELL:
            pytest.skip("the first process of a container cannot kill itself")
        create(namespace, "one", "kill -9 $$$$")
        await end_of(namespace, "one")
        (pod,) = pods_of(namespace, "one")
        assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137

    @pytest.mark.parametrize(("code", "end"), [(0, "Complete"), (4, "Failed")])
    async def test_init_containers_come_first(self, namespace, code, end):
        body = manifest(namespace, "one", "echo main")
        pod = body["spec"]["template"]["spec"]
        pod["initContainers"] = [
            {"name": "fetch", "image": namespace.shell, "command": ["sh", "-c", f"echo init; exit {code}"]}
        ]
        namespace.batch.create_namespaced_job(namespace.name, body)
        assert (await end_of(namespace, "one"))["type"] == end
        (pod,) = pods_of(namespace, "one")
        assert pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == code
        log = namespace.core.read_namespaced_pod_log
        assert log(pod["metadata"]["name"], namespace.name, container="fetch") == "init\n"
        (main,) = pod["status"]["containerStatuses"]
        assert ("terminated" in main["state"]) is (code == 0)

    async def test_a_deadline_ends_the_pod(self, namespace):
        create(namespace, "one", "sleep 600", activeDeadlineSeconds=1, grace=0)
        end = await end_of(namespace, "one")
        assert (end["type"], end["reason"]) == ("Failed", "DeadlineExceeded")
        await until(lambda: not [p for p in pods_of(namespace, "one") if p["status"]["phase"] == "Running"])

    async def test_a_suspended_job_waits_to_be_resumed(self, namespace, honours):
        honours("suspend")
        create(namespace, "one", "true", suspend=True)
        read = namespace.batch.read_namespaced_job
        await until(lambda: (raw(read, "one", namespace.name).get("status") or {}).get("conditions"))
        assert pods_of(namespace, "one") == []
        namespace.batch.patch_namespaced_job("one", namespace.name, {"spec": {"suspend": False}})
        assert (await end_of(namespace, "one"))["type"] == "Complete"

    async def test_a_disrupted_pod_ends_its_job(self, namespace, honours):
        honours("podFailurePolicy")
        rule = {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
        create(namespace, "one", "exec sleep 600", podFailurePolicy={"rules": [rule]}, backoffLimit=3)
        pod = (await running_pod(namespace, "one"))["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        namespace.core.create_namespaced_pod_eviction(pod, namespace.name, body, _preload_content=False)
        end = await end_of(namespace, "one")
        assert (end["type"], end["reason"]) == ("Failed", "PodFailurePolicy")
        assert "DisruptionTarget" in end["message"]

    async def test_a_pod_deleted_from_outside_fails_its_job(self, namespace, honours):
        honours("podFailurePolicy")  # an older controller replaces it
        create(namespace, "one", "exec sleep 600")
        pod = (await running_pod(namespace, "one"))["metadata"]["name"]
        namespace.core.delete_namespaced_pod(pod, namespace.name)
        end = await end_of(namespace, "one")
        assert (end["type"], end["reason"]) == ("Failed", "BackoffLimitExceeded")

    async def test_an_ended_job_goes_after_its_time(self, namespace):
        create(namespace, "one", "true", ttlSecondsAfterFinished=1)
        await until(lambda: not namespace.jobs() and not namespace.pods())

    async def test_an_image_that_is_nowhere_is_backed_off(self, namespace):
        create(namespace, "one", "true", image="registry.invalid/task:missing")
        waiting = await state_of(namespace, "one", {"ImagePullBackOff", "ErrImagePull"})
        assert "registry.invalid/task:missing" in waiting["message"]

    async def test_a_secret_that_is_nowhere_holds_the_container(self, namespace):
        env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "nowhere", "key": "k"}}}]
        create(namespace, "one", "true", env=env)
        waiting = await state_of(namespace, "one", {"CreateContainerConfigError"})
        assert waiting["message"] == 'secret "nowhere" not found'
        late = {"metadata": {"name": "nowhere"}, "stringData": {"k": "v"}}
        namespace.core.create_namespaced_secret(namespace.name, late)
        assert (await end_of(namespace, "one"))["type"] == "Complete"


class TestDeletion:
    """Propagation, owners, and how a process ends."""

    async def test_sigterm_comes_first(self, namespace):
        script = "trap 'echo told; exit 0' TERM; echo up; while :; do sleep 0.1; done"
        create(namespace, "one", script, grace=60)
        pod = (await running_pod(namespace, "one"))["metadata"]["name"]
        read = namespace.core.read_namespaced_pod_log
        await until(lambda: read(pod, namespace.name) == "up\n")
        follow = read(pod, namespace.name, follow=True, _preload_content=False)
        namespace.batch.delete_namespaced_job("one", namespace.name, propagation_policy="Foreground")
        log = (await asyncio.to_thread(lambda: follow.data)).decode()
        assert (log[:3], log[-5:]) == ("up\n", "told\n")
        await until(lambda: not namespace.jobs() and not namespace.pods())

    async def test_sigkill_comes_after_the_grace(self, namespace):
        create(namespace, "one", "trap '' TERM; echo up; while :; do sleep 0.1; done", grace=1)
        pod = (await running_pod(namespace, "one"))["metadata"]["name"]
        await until(lambda: namespace.core.read_namespaced_pod_log(pod, namespace.name) == "up\n")
        namespace.batch.delete_namespaced_job("one", namespace.name, propagation_policy="Foreground")
        await until(lambda: not namespace.jobs() and not namespace.pods())

    async def test_a_pod_says_when_it_is_due(self, namespace):
        create(namespace, "one", "trap '' TERM; while :; do sleep 0.1; done", grace=600)
        pod = (await running_pod(namespace, "one"))["metadata"]
        delete = namespace.core.delete_namespaced_pod
        due = []
        for seconds in (None, 60):
            asked = raw(delete, pod["name"], namespace.name, grace_period_seconds=seconds)["metadata"]
            time = datetime.fromisoformat(asked["deletionTimestamp"])
            due.append(time - timedelta(seconds=asked["deletionGracePeriodSeconds"]))
            assert asked["deletionGracePeriodSeconds"] == (seconds or 600)
        # However its grace is cut, it tells when it was deleted first.
        assert due[0] == due[1] >= datetime.fromisoformat(pod["creationTimestamp"])
        delete(pod["name"], namespace.name, grace_period_seconds=0)

    async def test_in_the_foreground_the_job_stays_until_its_pod_is_gone(self, namespace):
        create(namespace, "one", "trap '' TERM; while :; do sleep 0.1; done", grace=3)
        await running_pod(namespace, "one")
        namespace.batch.delete_namespaced_job("one", namespace.name, propagation_policy="Foreground")
        (job,) = namespace.jobs()
        assert job.metadata.deletion_timestamp is not None
        assert "foregroundDeletion" in job.metadata.finalizers
        await until(lambda: not namespace.jobs())
        assert namespace.pods() == []

    async def test_in_the_background_the_job_goes_at_once(self, namespace):
        create(namespace, "one", "exec sleep 600")
        await running_pod(namespace, "one")
        namespace.batch.delete_namespaced_job("one", namespace.name, propagation_policy="Background")
        assert namespace.jobs() == []
        await until(lambda: not namespace.pods())

    async def test_a_secret_goes_with_the_job_that_owns_it(self, namespace):
        job = create(namespace, "one", "true")["metadata"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "one", "uid": job["uid"]}
        body = {"metadata": {"name": "s", "labels": {"app.kubernetes.io/managed-by": "pgflow"}}}
        body["metadata"]["ownerReferences"] = [owner]
        namespace.core.create_namespaced_secret(namespace.name, body)
        namespace.batch.delete_namespaced_job("one", namespace.name, propagation_policy="Background")
        await until(lambda: not namespace.secrets())
