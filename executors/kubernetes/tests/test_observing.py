"""Lists by the page, the watch that rings, logs without secrets, and what the doctor is told."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from pgflow.executor import DeployedStep, HandleRef, Phase
from pgflow_kubernetes.naming import labels
from pgflow_kubernetes.redacting import redacted
from pgflow_kubernetes.settings import KubernetesStepOptions

from .server import Held, refusal

SECONDS = 30


def ref(name, handle=None):
    return HandleRef(uuid.UUID(int=1), "s", 0, 1, name, handle)


def job(name, *, uid=None, ended=None):
    conditions = [{"type": ended, "status": "True"}] if ended else []
    about = {
        "name": name,
        "uid": uid or f"uid-{name}",
        "labels": labels("pgflow", name),
        "resourceVersion": "7",
    }
    return {"metadata": about, "spec": {"suspend": False}, "status": {"conditions": conditions}}


def pod(name, phase, state):
    about = {"name": f"{name}-x", "uid": f"pod-{name}", "labels": labels("pgflow", name)}
    about["ownerReferences"] = [{"uid": f"uid-{name}"}]
    status = {"phase": phase, "containerStatuses": [{"name": "task", "state": state}]}
    return {"metadata": about, "spec": {}, "status": status}


def page(items, token=None):
    return (
        200,
        {"items": items, "metadata": {"resourceVersion": "7", **({"continue": token} if token else {})}},
        {},
    )


class Lists:
    """Serves lists by pages of two, and logs."""

    def __init__(self, jobs, pods=(), log=b""):
        self.lists = {"jobs": list(jobs), "pods": list(pods), "events": []}
        self.log = log
        self.expired = 0
        """How many continued lists are too old."""

    def __call__(self, asked):
        kind = asked.path.rpartition("/")[2]
        if kind == "log":
            return (
                self.log if isinstance(self.log, tuple) else (200, self.log, {"content-type": "text/plain"})
            )
        start = int(asked.query.get("continue", ["0"])[0])
        if start and self.expired:
            self.expired -= 1
            return refusal(410, "Expired")
        items = self.lists[kind]
        return page(items[start : start + 2], str(start + 2) if start + 2 < len(items) else None)


def counted(server):
    return Counter(asked.path.rpartition("/")[2] for asked in server.asked)


async def test_all_pages_are_read_and_answers_keep_the_order(serving, running):
    names = [f"pgf-{number}-1" for number in range(5)]
    server = serving(
        Lists([job(name) for name in names], [pod(name, "Running", {"running": {}}) for name in names[:3]])
    )
    async with running(server) as executor:
        asked = [ref("pgf-9-1"), *map(ref, reversed(names))]
        seen = await executor.observe(asked)
    assert [each.ref for each in seen] == asked
    assert [each.phase for each in seen] == [Phase.NOT_FOUND, *[Phase.PENDING] * 2, *[Phase.RUNNING] * 3]
    assert counted(server) == {"jobs": 3, "pods": 2, "events": 1}


@pytest.mark.parametrize(("expired", "phase"), [(1, Phase.PENDING), (2, Phase.UNKNOWN)])
async def test_a_list_whose_rest_has_expired_is_read_again_once(serving, running, expired, phase):
    lists = Lists([job(f"pgf-{number}-1") for number in range(3)])
    lists.expired = expired
    async with running(serving(lists)) as executor:
        (seen,) = await executor.observe([ref("pgf-2-1")])
    assert seen.phase is phase


async def test_few_are_asked_for_by_name_and_many_by_installation(serving, running):
    server = serving(Lists([]))
    async with running(server) as executor:
        await executor.observe([ref("pgf-1-1"), ref("pgf-2-1")])
        await executor.observe([ref(f"pgf-{number}-1") for number in range(100)])
    chosen = [asked.query["labelSelector"][0] for asked in server.asked if asked.path.endswith("/jobs")]
    mine = "app.kubernetes.io/managed-by=pgflow,pgflow.dev/installation=pgflow"
    assert chosen == [f"{mine},pgflow.dev/attempt in (pgf-1-1,pgf-2-1)", mine]
    assert all(asked.query["limit"] == ["500"] for asked in server.asked)


async def test_another_job_of_the_same_name_is_not_the_attempt(serving, running):
    async with running(serving(Lists([job("pgf-1-1", uid="new")]))) as executor:
        refs = [
            ref("pgf-1-1", {"uid": "old"}),
            ref("pgf-1-1", {"uid": "new"}),
            ref("pgf-1-1", {"made": "up"}),
        ]
        seen = await executor.observe(refs)
    assert [each.phase for each in seen] == [Phase.NOT_FOUND, Phase.PENDING, Phase.PENDING]


ENDED = {"terminated": {"exitCode": 3, "reason": "Error", "message": "the kubelet's last words"}}


@pytest.mark.parametrize(
    ("log", "tail"),
    [
        (b"a\nAPI_KEY=abc123 b", "a\nAPI_KEY=[redacted] b"),
        (b"", "the kubelet's last words"),
        (refusal(500), "the kubelet's last words"),
        (b"x" * 70_000 + b"end", "x" * 65_533 + "end"),
    ],
    ids=["redacted", "empty", "refused", "long"],
)
async def test_the_log_of_a_failed_pod_comes_along(serving, running, log, tail):
    lists = Lists([job("pgf-1-1", ended="Failed")], [pod("pgf-1-1", "Failed", ENDED)], log)
    async with running(serving(lists)) as executor:
        (seen,) = await executor.observe([ref("pgf-1-1")])
    assert (seen.phase, seen.code, seen.log_tail) == (Phase.EXITED_ERROR, "EXIT_CODE", tail)


SECRETS = [
    ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
    ("dsn postgres://user:pa55@host/db", "dsn postgres://user:[redacted]@host/db"),
    ('{"apikey": "k-1", "n": 1}', '{"apikey": "[redacted]", "n": 1}'),
    ("PGFLOW_ATTEMPT_TOKEN=7c9e6679-7425", "PGFLOW_ATTEMPT_TOKEN=[redacted]"),
    ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted] used"),
    ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "got [redacted]"),
    ("sb_secret_abc", "[redacted]"),
    ("https://host:8080/path and a: b", "https://host:8080/path and a: b"),
    ("tokens: 12 of 30", "tokens: 12 of 30"),
]


@pytest.mark.parametrize(("line", "shown"), SECRETS)
def test_what_looks_like_a_secret_is_taken_out(line, shown):
    assert redacted(line) == shown


def events(*items):
    return b"".join(json.dumps({"type": kind, "object": item}).encode() + b"\n" for kind, item in items)


class Watch:
    """Answers a watch at a time with what is left, then by one where nothing happens."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.versions = []

    def __call__(self, asked):
        if "watch" not in asked.query:
            return page([])
        self.versions.append(asked.query["resourceVersion"][0])
        return self.answers.pop(0) if self.answers else Held()


async def rung(running, server, count):
    """Return what the watch rings for, so many times."""
    heard = asyncio.Queue()
    async with running(server, heard.put_nowait, watch=True), asyncio.timeout(SECONDS):
        return [await heard.get() for _ in range(count)]


async def test_the_watch_rings_for_jobs_that_end_and_goes_on_from_where_it_was(serving, running):
    bookmark = {"kind": "Job", "metadata": {"resourceVersion": "9"}}
    first = events(
        ("ADDED", job("pgf-1-1")),
        ("MODIFIED", job("pgf-1-1", ended="Complete")),
        ("MODIFIED", job("pgf-2-1", ended="Failed")),
        ("BOOKMARK", bookmark),
    )
    watch = Watch(first, events(("DELETED", job("pgf-3-1"))))
    assert await rung(running, serving(watch), 3) == ["pgf-1-1", "pgf-2-1", "pgf-3-1"]
    assert watch.versions[:2] == ["7", "9"]


GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}


@pytest.mark.parametrize(
    "broken",
    [
        events(("ERROR", GONE)),
        refusal(410, "Expired"),
        refusal(500),
        b"no json\n",
        b'{"type": "MODIFIED"}\n',
    ],
    ids=["410 as event", "410", "500", "no json", "no object"],
)
async def test_a_watch_that_breaks_is_made_again_from_now(serving, running, broken):
    watch = Watch(broken, events(("DELETED", job("pgf-1-1"))))
    assert await rung(running, serving(watch), 1) == ["pgf-1-1"]
    assert watch.versions[:2] == ["7", "7"]


async def test_a_watch_that_fell_silent_is_made_again(serving, running, monkeypatch):
    monkeypatch.setattr("pgflow_kubernetes.watching._SILENCE", 0.2 - 60)
    watch = Watch(Held(), events(("DELETED", job("pgf-1-1"))))
    assert await rung(running, serving(watch), 1) == ["pgf-1-1"]


async def test_an_executor_is_closed_though_its_watch_waits(serving, running):
    watch = Watch()
    server = serving(watch)
    async with asyncio.timeout(SECONDS):
        async with running(server, watch=True):
            while not watch.versions:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def modern(asked):
    """A cluster that has all, and grants all."""
    if asked.path == "/version":
        return 200, {"gitVersion": "v1.34.0"}, {}
    if asked.path.endswith("/jobs"):
        assert asked.query["dryRun"] == ["All"]
        return 201, asked.body, {}
    return 201, {"status": {"allowed": True}}, {}


async def test_the_doctor_finds_nothing_where_nothing_is_wrong(serving, running):
    server = serving(modern)
    async with running(server) as executor:
        assert await executor.check() == []
    reviewed = [asked.body["spec"]["resourceAttributes"] for asked in server.asked if "reviews" in asked.path]
    needed = {(each["verb"], each["resource"], each["subresource"]) for each in reviewed}
    assert {
        ("create", "jobs", ""),
        ("get", "pods", "log"),
        ("create", "secrets", ""),
        ("patch", "jobs", ""),
    } <= needed
    assert ("delete", "secrets", "") not in needed


async def test_the_doctor_names_the_rights_that_are_missing(serving, running):
    def answer(asked):
        if "reviews" in asked.path:
            verb = asked.body["spec"]["resourceAttributes"]["verb"]
            return 201, {"status": {"allowed": verb != "watch"}}, {}
        return modern(asked)

    async with running(serving(answer)) as executor:
        (hindrance,) = await executor.check()
    assert (hindrance.subject, hindrance.finding) == ("namespace tasks", "the dispatcher must not watch jobs")


async def test_the_doctor_names_steps_that_ask_for_too_much(serving, running):
    def deployed(**options):
        minute = timedelta(minutes=1)
        return DeployedStep("f", "s", KubernetesStepOptions(**options), minute, minute, None)

    async with running(serving(modern)) as executor:
        (hindrance,) = await executor.check_steps([deployed(), deployed(image="other:1")])
    assert (hindrance.subject, "`images`" in hindrance.finding) == ("f.s", True)


async def test_the_doctor_says_that_there_is_no_cluster(serving, running):
    server = serving(modern)
    async with running(server) as executor:
        server.stop()
        (hindrance,) = await executor.check()
    assert "nothing was sent" in hindrance.finding
