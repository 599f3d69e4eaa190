"""What executors rely on, of an API server: the same of the double, of a real control plane, of any cluster.

What becomes of Jobs stands in `test_server_jobs.py`.
"""

from __future__ import annotations

import json

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException

from ..dispatching import until
from .asking import create, manifest, raw
from .clusters import CLUSTERS

pytestmark = [pytest.mark.slow, pytest.mark.clusters(*CLUSTERS)]


@pytest.fixture
def refused():
    """Make a call that is refused: `status, body = refused(call, ...)`."""

    def call(operation, *args, **query):
        with pytest.raises(ApiException) as caught:
            operation(*args, **query)
        return caught.value.status, json.loads(caught.value.body)

    return call


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
