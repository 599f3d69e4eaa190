"""What a cluster refuses, what it lacks, and how many requests a look takes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from pgflow.executor import Accepted, Attempt, ExecutorContext, HandleRef, Phase
from pgflow_kubernetes.checking import NEEDS, SECRET, SECRET_FIRST
from pgflow_kubernetes.naming import labels

from ..dispatching import SECONDS, until
from .clusters import ONE
from .proxy import Asked, Proxy

pytestmark = pytest.mark.slow


def make_attempt(instance, **options) -> Attempt:
    return Attempt(
        run_id=uuid.uuid4(),
        flow_slug="f",
        flow_version=1,
        step_slug="s",
        step_type="single",
        task_index=0,
        attempt=1,
        attempt_token=uuid.uuid4(),
        handler="m:f",
        params=None,
        input=None,
        options=instance.step_options(options),
        timeout=timedelta(seconds=60),
        heartbeat_timeout=None,
        max_attempts=3,
        failures=0,
        external_id=f"pgf-{uuid.uuid4().hex[:26]}-1",
        lease_expires_at=datetime.now(UTC) + timedelta(seconds=60),
    )


def ref_of(attempt, handle=None) -> HandleRef:
    return HandleRef(attempt.run_id, "s", 0, 1, attempt.external_id, handle)


@contextlib.asynccontextmanager
async def running(instance, changed=lambda _: None):
    executor = instance.executor()
    logger = logging.getLogger("cluster")
    context = ExecutorContext(
        instance.name,
        "w",
        instance.settings,
        logger,
        lambda _: None,
        report_to=instance.report_to,
        changed=changed,
    )
    await executor.start(context)
    try:
        yield executor
    finally:
        await executor.aclose()


@pytest.fixture
def proxied(tmp_path):
    """Listen to what goes to a cluster: `proxied(kubeconfig)` gives the proxy and a kubeconfig for it."""
    with contextlib.ExitStack() as stack:

        def listen(kubeconfig: Path) -> tuple[Proxy, str]:
            proxy = Proxy(kubeconfig)
            stack.callback(proxy.stop)
            return proxy, str(proxy.kubeconfig(tmp_path))

        yield listen


def podless(name: str) -> dict:
    """A Job of ours that wants no pod."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "task", "image": "x"}]}
    about = {"name": name, "labels": labels("pgflow", name)}
    return {"metadata": about, "spec": {"parallelism": 0, "template": {"spec": pod}}}


async def phase_of(executor, ref) -> Phase:
    return (await executor.observe([ref]))[0].phase


async def eventually(look, is_wanted):
    """Look until what is wanted is seen."""
    async with asyncio.timeout(SECONDS):
        while True:
            seen = await look()
            if is_wanted(seen):
                return seen
            await asyncio.sleep(0.1)


async def observed(executor, ref, wanted):
    """Observe until a phase is seen."""
    (seen,) = await eventually(lambda: executor.observe([ref]), lambda seen: seen[0].phase is wanted)
    return seen


async def test_a_quota_on_jobs_throttles(namespace):
    quota = {"metadata": {"name": "jobs"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    namespace.core.create_namespaced_resource_quota(namespace.name, quota)
    await until(lambda: namespace.core.read_namespaced_resource_quota("jobs", namespace.name).status.hard)
    instance = namespace.instance()
    async with running(instance) as executor:
        result = await executor.launch(make_attempt(instance))
        (hindrance,) = await executor.check()
    assert (result.kind, result.retry_after) == ("throttled", timedelta(seconds=10))
    assert "exceeded quota: jobs" in result.reason
    assert "exceeded quota: jobs" in hindrance.finding
    assert namespace.secrets() == []


async def test_a_quota_on_pods_is_told_of_a_job_without_one(namespace):
    quota = {"metadata": {"name": "pods"}, "spec": {"hard": {"pods": "0"}}}
    namespace.core.create_namespaced_resource_quota(namespace.name, quota)
    await until(lambda: namespace.core.read_namespaced_resource_quota("pods", namespace.name).status.hard)
    instance = namespace.instance()
    async with running(instance) as executor:
        attempt = make_attempt(instance)
        ref = ref_of(attempt, (await executor.launch(attempt)).handle)
        told = "exceeded quota: pods"
        await eventually(lambda: executor.observe([ref]), lambda seen: told in (seen[0].detail or ""))
        assert await phase_of(executor, ref) is Phase.PENDING


async def test_without_rights_the_operator_is_asked_for_them(namespace):
    instance = namespace.instance(kubeconfig=str(namespace.plain))
    attempt = make_attempt(instance)
    async with running(instance) as executor:
        result = await executor.launch(attempt)
        assert (result.kind, "mend the Role" in result.reason) == ("operator", True)
        (hindrance,) = await executor.check()
        assert (
            "must not create jobs, get jobs, list jobs, watch jobs, delete jobs, list pods"
            in hindrance.finding
        )
        assert await phase_of(executor, ref_of(attempt)) is Phase.UNKNOWN
        await executor.cancel(ref_of(attempt), timedelta())


DEPLOY = Path(__file__).resolve().parents[2] / "executors/kubernetes/deploy"


def rules_of(file: str) -> list[dict]:
    """Return what the Roles of a file that we ship grant."""
    manifests = yaml.safe_load_all((DEPLOY / file).read_text(encoding="utf-8"))
    return [rule for each in manifests if each["kind"] == "Role" for rule in each["rules"]]


#: A request's group, resource, name and part.
PLACE = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/v1/namespaces/[^/]+/(?P<resource>\w+)(?:/[^/]+(?P<part>/\w+)?)?"
)
VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}


def rights(asked: Iterable[Asked]) -> set[tuple[str, str, str]]:
    """Return what requests need, as Roles say it."""
    needed = set()
    for each in asked:
        if place := PLACE.fullmatch(each.path):
            is_one = place["part"] or each.path.rpartition("/")[2] != place["resource"]
            read = "watch" if "watch" in each.query else "get" if is_one else "list"
            resource = f"{place['resource']}{place['part'] or ''}"
            needed.add((place["group"] or "", resource, VERBS.get(each.method, read)))
    return needed


async def test_the_roles_that_we_ship_allow_what_the_executor_does_and_nothing_else(namespace, proxied):
    rules, needs = rules_of("base/role.yaml"), {*NEEDS, *SECRET}
    if not namespace.is_new:
        rules += rules_of("components/before-1.22/role.yaml")
        needs = {*NEEDS, *SECRET_FIRST}
    namespace.rbac.create_namespaced_role(namespace.name, {"metadata": {"name": "d"}, "rules": rules})
    binding = {
        "metadata": {"name": "d"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "d"},
        "subjects": [{"kind": "User", "name": "plain", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    namespace.rbac.create_namespaced_role_binding(namespace.name, binding)
    proxy, kubeconfig = proxied(namespace.plain)
    instance = namespace.instance(kubeconfig=kubeconfig, commands=["sh *"])
    rung = asyncio.Queue()
    async with running(instance, rung.put_nowait) as executor:
        # The authorizer hears of a Role a moment later.
        await eventually(executor.check, lambda found: not any("must not" in each.finding for each in found))
        for _ in range(2):  # for an old server the Secret after the Job, then before it
            attempt = make_attempt(instance, command=["sh", "-c", "echo last words; exit 3"])
            result = await executor.launch(attempt)
            assert isinstance(result, Accepted)
            assert (await executor.launch(attempt)).adopted
            ref = ref_of(attempt, result.handle)
            await eventually(rung.get, attempt.external_id.__eq__)
            seen = await observed(executor, ref, Phase.EXITED_ERROR)
            assert (seen.code, seen.log_tail) == ("EXIT_CODE", "last words\n")
            await executor.cancel(ref, timedelta())
            await observed(executor, ref, Phase.NOT_FOUND)
        # Of a Job without a pod it reads the events.
        namespace.batch.create_namespaced_job(namespace.name, podless(attempt.external_id))
        await observed(executor, ref_of(attempt), Phase.PENDING)
    await until(lambda: not namespace.secrets())
    assert rights(proxy.asked) == needs


async def test_the_doctor_says_what_an_old_server_lacks(namespace):
    instance = namespace.instance()
    async with running(instance) as executor:
        found = await executor.check()
    if namespace.is_new:
        assert found == []
        return
    suspend, policy = found
    assert {suspend.subject, policy.subject} == {"Kubernetes v1.20.2"}
    assert ("`suspend`" in suspend.finding, "`podFailurePolicy`" in policy.finding) == (True, True)
    assert {suspend.severity, policy.severity} == {"warning"}


async def test_a_name_that_is_taken_is_not_adopted_nor_deleted(namespace):
    instance = namespace.instance()
    attempt = make_attempt(instance)
    pod = {
        "restartPolicy": "Never",
        "containers": [{"name": "task", "image": "x", "command": ["sleep", "9"]}],
    }
    other = {"metadata": {"name": attempt.external_id}, "spec": {"template": {"spec": pod}}}
    namespace.batch.create_namespaced_job(namespace.name, other)
    async with running(instance) as executor:
        result = await executor.launch(attempt)
        assert result.kind == "permanent"
        gone = ref_of(attempt, {"v": 1, "uid": str(uuid.uuid4())})
        assert await phase_of(executor, gone) is Phase.NOT_FOUND
        await executor.cancel(gone, timedelta())
    (job,) = namespace.jobs()
    assert job.metadata.deletion_timestamp is None


async def test_a_deadline_is_a_timeout(namespace):
    instance = namespace.instance(commands=["sleep *"])
    attempt = make_attempt(instance, command=["sleep", "60"])
    async with running(instance) as executor:
        ref = ref_of(attempt, (await executor.launch(attempt)).handle)
        await observed(executor, ref, Phase.RUNNING)
        deadline = {"spec": {"activeDeadlineSeconds": 1}}
        namespace.batch.patch_namespaced_job(attempt.external_id, namespace.name, deadline)
        seen = await observed(executor, ref, Phase.EXITED_ERROR)
    assert seen.code == "TIMEOUT"


async def test_a_secret_that_the_template_lacks_is_missing_configuration(namespace):
    variable = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "nowhere", "key": "k"}}}
    container = {"name": "task", "env": [variable]}
    template = {"spec": {"template": {"spec": {"containers": [container]}}}}
    instance = namespace.instance(template=template, pull_grace=0)
    attempt = make_attempt(instance)
    async with running(instance) as executor:
        ref = ref_of(attempt, (await executor.launch(attempt)).handle)
        seen = await observed(executor, ref, Phase.EXITED_ERROR)
    assert (seen.code, seen.started) == ("CONFIG_MISSING", False)
    assert 'secret "nowhere" not found' in seen.detail


@pytest.mark.clusters(*ONE)
async def test_a_thousand_jobs_are_seen_by_the_page(namespace, proxied):
    proxy, kubeconfig = proxied(namespace.kubeconfig)
    instance = namespace.instance(kubeconfig=kubeconfig, watch=False)
    names = [f"pgf-{number:026d}-1" for number in range(1000)]
    for name in names:
        namespace.batch.create_namespaced_job(namespace.name, podless(name))
    async with running(instance) as executor:
        refs = [HandleRef(uuid.uuid4(), "s", 0, 1, name) for name in names]
        seen = await executor.observe(refs)
        assert [each.ref.external_id for each in seen] == names
        assert {each.phase for each in seen} == {Phase.PENDING}
        assert proxy.count() == {"GET jobs": 2, "GET pods": 1, "GET events": 1}
        proxy.asked.clear()
        await executor.observe(refs[:3])
        assert proxy.count() == {"GET jobs": 1, "GET pods": 1, "GET events": 1}
