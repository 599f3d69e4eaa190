"""What `pgflow doctor` is told: addresses, timeouts, and what the functions answer when knocked at."""

from __future__ import annotations

import contextlib
import logging
import socket
from datetime import timedelta

import pytest
from pgflow.envelope import ReportTarget
from pgflow.executor import Capability, DeployedStep, ExecutorContext
from pgflow_testing.answering import response

from .support import REPORT_TO

HERE = ReportTarget("http", "http://127.0.0.1:8080")


@pytest.fixture
def checking(instance):
    """Start the executor as the doctor does: `async with checking(url=...) as executor`."""

    @contextlib.asynccontextmanager
    async def checking(report_to=REPORT_TO, **settings):
        chosen = instance(**settings)
        executor = chosen.executor()
        assert executor.capabilities == {Capability.CHECK, Capability.CHECK_STEPS}
        context = ExecutorContext(
            "edge", "doctor", chosen.settings, logging.getLogger(), print, report_to=report_to
        )
        await executor.start(context)
        yield executor
        await executor.aclose()

    return checking


def deployed(executor, seconds=60.0, **options):
    chosen = executor.StepOptions(**{"function": "images", **options})
    times = [timedelta(seconds=each) for each in (seconds, 300)]
    return DeployedStep("thumbnails", "resize", chosen, *times, None)


@pytest.mark.parametrize(
    ("url", "report_to", "found"),
    [
        (None, HERE, []),
        ("https://x.supabase.co", REPORT_TO, []),
        ("https://x.supabase.co", HERE, [("report_to", "error", "their own machine")]),
        (
            "https://x.supabase.co",
            ReportTarget("http", "http://f.example.com"),
            [("report_to", "warning", "without")],
        ),
        ("http://x.internal", REPORT_TO, [("url", "warning", "is http")]),
    ],
)
async def test_addresses(checking, url, report_to, found):
    settings = {} if url is None else {"url": url, "allow_insecure": True}
    async with checking(report_to, **settings) as executor:
        told = await executor.check()
    assert [(each.subject, each.severity) for each in told] == [each[:2] for each in found]
    assert all(text in each.finding for each, (*_, text) in zip(told, found, strict=True))


def understood(_):
    return response(422, {"code": "ENVELOPE_INVALID", "message": "not of version 1"})


@pytest.mark.parametrize(
    ("seconds", "wall_clock", "severity"),
    [(75, 150, None), (76, 150, "warning"), (151, 150, "error"), (200, 400, None), (201, 400, "warning")],
)
async def test_timeouts_are_held_to_half_of_the_life_of_a_worker(
    server, checking, seconds, wall_clock, severity
):
    server.answer = understood
    async with checking(wall_clock=wall_clock) as executor:
        told = await executor.check_steps([deployed(executor, seconds)])
    assert [each.severity for each in told] == ([] if severity is None else [severity])
    if told:
        assert told[0].subject == "thumbnails.resize"
        assert f"{wall_clock / 2:g} s" in told[0].finding
        assert ("wall_clock = 400" in told[0].mend) is (wall_clock == 150)


async def test_every_function_is_knocked_at_once_with_what_starts_nothing(server, checking):
    server.answer = understood
    async with checking() as executor:
        steps = [
            deployed(executor, function=name, mode=mode) for name in "ab" for mode in ("sync", "background")
        ]
        assert await executor.check_steps(steps) == []
    assert sorted(asked.line for asked in server.asked) == [
        f"POST /functions/v1/{name} HTTP/1.1" for name in "ab"
    ]
    assert {asked.body for asked in server.asked} == {b"{}"}
    assert all("x-pgflow-signature" in asked.headers for asked in server.asked)


@pytest.mark.parametrize(
    ("answer", "found", "mend"),
    [
        (response(401, {"code": "SIGNATURE_WRONG"}), "SIGNATURE_WRONG", "the same secret"),
        (response(401, {"code": "SECRET_MISSING"}), "SECRET_MISSING", "PGFLOW_SIGNING_SECRET"),
        (response(401, {"msg": "Invalid JWT"}), "verify_jwt", "supabase.md"),
        (response(404), "not deployed", "supabase functions deploy images"),
        (response(503, {"code": "BOOT_ERROR"}), "BOOT_ERROR", "the log of images"),
        (response(200, {"hello": "world"}), "BAD_CONTRACT", "supabase.md"),
        (b"", "no answer", "mend `url`"),
    ],
)
async def test_whoever_does_not_answer_as_a_function_of_ours_is_told(server, checking, answer, found, mend):
    server.answer = lambda _: answer
    async with checking() as executor:
        (told,) = await executor.check_steps([deployed(executor)])
    assert (told.subject, told.severity) == ("images", "error")
    assert found in told.finding
    assert mend in told.mend


async def test_nobody_there_and_addresses_out_of_bounds_are_told(checking):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with checking(url=f"http://127.0.0.1:{port}") as executor:
        (told,) = await executor.check_steps([deployed(executor)])
    assert "no answer" in told.finding
    async with checking(url="http://169.254.169.254", allow_insecure=True) as executor:
        (told,) = await executor.check_steps([deployed(executor)])
    assert "no address of a project" in told.finding
