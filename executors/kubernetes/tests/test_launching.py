"""What a launch sends, in which order, and what each answer means: row by row over real connections."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest
from pgflow.errors import ConfigError
from pgflow.executor import Accepted, HandleRef, Phase, Rejected, Unknown
from pgflow_kubernetes.executor import KubernetesExecutor

from .server import refusal
from .support import NAME, TOKEN, make_attempt


class Cluster:
    """The least of an API server: it keeps Jobs and Secrets; `suspends` as 1.22 and newer do."""

    def __init__(self, *, suspends=True):
        self.suspends = suspends
        self.objects = {}
        self.spoiled = {}
        """Answers to the next request of a kind: {"POST jobs": refusal(...)}."""

    def __call__(self, asked):
        kind, _, name = asked.path.partition("/namespaces/tasks/")[2].partition("/")
        spoiled = self.spoiled.pop(f"{asked.method} {kind}", None)
        if spoiled is not None:
            return spoiled
        key = (kind, name or (asked.body or {}).get("metadata", {}).get("name"))
        return getattr(self, asked.method.lower())(key, asked.body)

    def post(self, key, body):
        if key in self.objects:
            return refusal(409, "AlreadyExists")
        made = {**body, "metadata": {**body["metadata"], "uid": f"uid-{len(self.objects)}"}}
        if key[0] == "jobs" and not self.suspends:
            made["spec"] = {name: value for name, value in body["spec"].items() if name != "suspend"}
        self.objects[key] = made
        return 201, made, {}

    def get(self, key, _):
        return (200, self.objects[key], {}) if key in self.objects else refusal(404, "NotFound")

    def patch(self, key, body):
        for part, value in body.items():
            self.objects[key] = {**self.objects[key], part: {**self.objects[key][part], **value}}
        return 200, self.objects[key], {}

    def delete(self, key, _):
        return (200, {}, {}) if self.objects.pop(key, None) else refusal(404, "NotFound")


def told(server):
    return [asked.what for asked in server.asked]


async def test_a_job_waits_for_its_secret(serving, running):
    cluster = Cluster()
    server = serving(cluster)
    async with running(server) as executor:
        result = await executor.launch(make_attempt())
    handle = {"v": 1, "namespace": "tasks", "name": NAME, "uid": "uid-0"}
    assert result == Accepted(handle)
    assert told(server) == ["POST jobs", "POST secrets", f"PATCH jobs/{NAME}"]
    made, secret, resumed = server.asked
    assert made.body["spec"]["suspend"] is True
    assert secret.body["stringData"]["token"] == str(TOKEN)
    assert str(TOKEN) not in secret.body["stringData"]["envelope"]
    assert secret.body["metadata"]["ownerReferences"][0]["uid"] == "uid-0"
    assert resumed.body == {"spec": {"suspend": False}}
    assert made.headers["authorization"] == "Bearer first"


async def test_a_server_that_drops_suspend_gets_secrets_first_from_then_on(serving, running):
    cluster = Cluster(suspends=False)
    server = serving(cluster)
    async with running(server) as executor:
        await executor.launch(make_attempt())
        assert told(server) == ["POST jobs", "POST secrets"]
        server.asked.clear()
        other = make_attempt(external_id="pgf-2-1")
        assert isinstance(await executor.launch(other), Accepted)
        assert told(server) == ["POST secrets", "POST jobs", "PATCH secrets/pgf-2-1"]
        assert "ownerReferences" not in server.asked[0].body["metadata"]
        (owner,) = server.asked[2].body["metadata"]["ownerReferences"]
        assert owner["uid"] == cluster.objects["jobs", "pgf-2-1"]["metadata"]["uid"]
        server.asked.clear()
        await executor.cancel(HandleRef(other.run_id, "s", 0, 1, "pgf-2-1"), timedelta())
        assert told(server) == ["DELETE secrets/pgf-2-1", "DELETE jobs/pgf-2-1"]


@pytest.mark.parametrize("suspends", [True, False])
@pytest.mark.parametrize("lost", ["POST jobs", "POST secrets", "PATCH jobs"])
async def test_a_launch_that_broke_off_anywhere_is_finished_by_the_next(serving, running, suspends, lost):
    cluster = Cluster(suspends=suspends)
    server = serving(cluster)
    broken = {}

    def answer(asked):
        given = cluster(asked)
        if asked.what.startswith(lost) and not broken:
            broken[lost] = True
            return refusal(504)
        return given

    server.answer = answer
    async with running(server) as executor:
        first = await executor.launch(make_attempt())
        assert isinstance(first, Unknown) == bool(broken)
        again = await executor.launch(make_attempt())
    assert isinstance(again, Accepted)
    assert cluster.objects["secrets", NAME]["stringData"]["token"] == str(TOKEN)
    assert not cluster.objects["jobs", NAME]["spec"].get("suspend")
    assert sum(key[0] == "jobs" for key in cluster.objects) == 1


@pytest.mark.parametrize("suspends", [True, False])
async def test_a_secret_that_is_refused_leaves_no_job(serving, running, suspends):
    cluster = Cluster(suspends=suspends)
    cluster.spoiled["POST secrets"] = refusal(403, "Forbidden", "secrets is forbidden")
    server = serving(cluster)
    async with running(server) as executor:
        result = await executor.launch(make_attempt())
    assert (result.kind, cluster.objects) == ("operator", {})


async def test_a_job_that_is_refused_leaves_no_secret(serving, running):
    cluster = Cluster(suspends=False)
    server = serving(cluster)
    async with running(server) as executor:
        await executor.launch(make_attempt(external_id="pgf-0-1"))
        cluster.spoiled["POST jobs"] = refusal(403, "Forbidden", "exceeded quota: x")
        result = await executor.launch(make_attempt())
    assert result.kind == "throttled"
    assert ("secrets", NAME) not in cluster.objects


ROWS = [
    (refusal(400, "BadRequest"), Rejected, "permanent"),
    (refusal(401, "Unauthorized"), Rejected, "operator"),
    (refusal(403, "Forbidden", "jobs.batch is forbidden"), Rejected, "operator"),
    (refusal(403, "Forbidden", "exceeded quota: pods"), Rejected, "throttled"),
    (refusal(404, "NotFound", 'namespaces "tasks" not found'), Rejected, "operator"),
    (refusal(409, "Conflict", "the object has been modified"), Rejected, "transient"),
    (refusal(413, "RequestEntityTooLarge"), Rejected, "permanent"),
    (refusal(422, "Invalid"), Rejected, "permanent"),
    (refusal(429, "TooManyRequests", retry_after="3"), Rejected, "throttled"),
    (refusal(500, "InternalError"), Unknown, None),
    (refusal(502), Unknown, None),
    (refusal(503, "ServiceUnavailable"), Unknown, None),
    (refusal(503, "ServiceUnavailable", retry_after="3"), Rejected, "throttled"),
    (refusal(504, "Timeout"), Unknown, None),
    ((418, b"<html>", {}), Rejected, "permanent"),
    ((201, b"<html>", {}), Unknown, None),
    ((302, b"", {"location": "http://127.0.0.1:1/"}), Rejected, "permanent"),
]


@pytest.mark.parametrize(("answer", "outcome", "kind"), ROWS, ids=[str(row[0][:2])[:70] for row in ROWS])
async def test_every_answer_means_one_thing(serving, running, answer, outcome, kind):
    server = serving(lambda _: answer)
    async with running(server) as executor:
        result = await executor.launch(make_attempt())
    assert isinstance(result, outcome)
    assert getattr(result, "kind", None) == kind
    assert told(server).count("POST jobs") == (2 if kind == "operator" and answer[0] == 401 else 1)
    if answer[2].get("retry-after"):
        assert result.retry_after == timedelta(seconds=3)


async def test_silence_is_unknown(serving, running):
    server = serving(lambda _: None)
    async with running(server, response_timeout=1) as executor:
        assert isinstance(await executor.launch(make_attempt()), Unknown)
        async with asyncio.timeout(60):
            while not server.asked:  # noqa: ASYNC110  a server in a thread tells nobody
                await asyncio.sleep(0.01)
        assert len(server.asked) == 1
        server.silence.set()


async def test_nobody_listening_is_a_launch_that_never_was(serving, running):
    server = serving(lambda _: None)
    async with running(server) as executor:
        server.stop()
        result = await executor.launch(make_attempt())
        assert (result.kind, "nothing was sent" in result.reason) == ("transient", True)
        (seen,) = await executor.observe([HandleRef(make_attempt().run_id, "s", 0, 1, NAME)])
        assert seen.phase is Phase.UNKNOWN


async def test_credentials_that_were_renewed_are_read_again(serving, running, tmp_path):
    cluster = Cluster()

    def answer(asked):
        return (
            cluster(asked)
            if asked.headers["authorization"] == "Bearer second"
            else refusal(401, "Unauthorized")
        )

    server = serving(answer)
    async with running(server) as executor:
        server.kubeconfig(tmp_path, token="second")
        assert isinstance(await executor.launch(make_attempt()), Accepted)
    assert told(server) == ["POST jobs", "POST jobs", "POST secrets", f"PATCH jobs/{NAME}"]


async def test_a_job_of_that_name_that_is_not_ours_is_left_alone(serving, running):
    cluster = Cluster()
    cluster.objects["jobs", NAME] = {"metadata": {"name": NAME, "uid": "other"}, "spec": {}}
    server = serving(cluster)
    async with running(server) as executor:
        result = await executor.launch(make_attempt())
    assert result.kind == "permanent"
    assert told(server) == ["POST jobs", f"GET jobs/{NAME}"]


async def test_what_the_operator_does_not_allow_is_not_sent(serving, running):
    server = serving(lambda _: refusal(500))
    async with running(server) as executor:
        result = await executor.launch(make_attempt({"image": "evil", "command": ["sh"]}))
    assert (result.kind, server.asked) == ("permanent", [])
    assert "`images`" in result.reason
    assert "`commands`" in result.reason


async def test_no_token_is_in_a_log_or_a_reason(serving, running, caplog):
    caplog.set_level(logging.DEBUG)
    cluster = Cluster()
    async with running(serving(cluster)) as executor:
        said = [await executor.launch(make_attempt())]
        cluster.spoiled["POST secrets"] = refusal(422, "Invalid", "the Secret is invalid")
        said.append(await executor.launch(make_attempt(external_id="pgf-2-1")))
    assert str(TOKEN) not in f"{caplog.text} {said!r} {executor!r}"


@pytest.mark.parametrize("settings", [{"kubeconfig": "/nowhere/at/all"}, {"context": "another"}])
async def test_credentials_that_are_not_there_are_told_at_the_start(serving, running, settings):
    with pytest.raises(ConfigError, match="no credentials for a cluster"):
        async with running(serving(lambda _: None), **settings):
            pass


async def test_an_executor_that_does_not_run_does_nothing():
    executor = KubernetesExecutor()
    ref = HandleRef(make_attempt().run_id, "s", 0, 1, NAME)
    assert executor.capacity == 0
    assert (await executor.launch(make_attempt())).kind == "transient"
    assert [seen.phase for seen in await executor.observe([ref])] == [Phase.UNKNOWN]
    assert await executor.check() == []
    await executor.cancel(ref, timedelta())
    await executor.aclose()
