"""What executors rely on, of a Job controller and its nodes: how Jobs run, end and are deleted.

Commands are a shell's.  Where a server is older than a field of Jobs, the test of that field is skipped.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import pytest

from ..dispatching import until
from .asking import create, end_of, manifest, pods_of, raw, running_pod, state_of
from .clusters import CLUSTERS, SHELL

pytestmark = [pytest.mark.slow, pytest.mark.clusters(*CLUSTERS)]


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
