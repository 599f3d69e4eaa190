"""A process of its own, and a limit to its memory, for the steps that ask."""

from datetime import timedelta

import pytest

from .support import alive, until

OWN = {"isolation": "process"}


async def test_each_attempt_has_a_fresh_process(local):
    executor = await local(processes=2)
    pids = {await executor.value("pid", options=OWN) for _ in range(3)}
    assert len(pids) == 3
    shared = await executor.value("pid")
    assert shared not in pids
    await until(lambda: not any(alive(pid) for pid in pids))


async def test_more_than_may_run_at_once_take_turns(local):
    executor = await local(processes=2)
    attempts = [await executor.launch("echo", value=number, options=OWN) for number in range(6)]
    assert [executor.output(await executor.ended(attempt)) for attempt in attempts] == list(range(6))


async def test_its_crash_is_its_own(local):
    executor = await local()
    before = await executor.value("pid")
    assert (await executor.run("hard_exit", code=7, options=OWN)).error["code"] == "CRASHED"
    assert await executor.value("pid") == before


async def test_its_timeout_kills_it_alone(local, tmp_path):
    executor = await local()
    before = await executor.value("pid")
    started = tmp_path / "started"
    report = await executor.run("spin", started=str(started), timeout=0.5, options=OWN)
    assert report.error["code"] == "TIMEOUT"
    assert await executor.value("pid") == before


async def test_one_that_is_cancelled_before_it_starts_never_runs(local, tmp_path):
    executor = await local()
    attempt = await executor.launch("spin", started=str(tmp_path / "started"), options=OWN)
    await executor.executor.cancel(executor.ref(attempt), timedelta(0))
    await until(lambda: executor.is_gone(attempt))
    assert await executor.value("echo", value=1, options=OWN) == 1
    assert not (tmp_path / "started").exists()


async def test_closing_hands_back_what_runs_in_its_own_process(local, tmp_path):
    executor = await local(grace=0.2)
    attempt = await executor.launch("spin", started=str(tmp_path / "started"), options=OWN)
    await until((tmp_path / "started").exists)
    await executor.closing()
    report = await executor.ended(attempt)
    assert (report.outcome, report.error["code"]) == ("release", "SHUTDOWN")


@pytest.mark.parametrize("handler", ["fill_memory", "fill_memory_of_a_child"])
async def test_too_much_memory_is_a_failure_that_says_so(local, tmp_path, handler):
    executor = await local()
    before = await executor.value("pid")
    started = tmp_path / "started"
    report = await executor.run(handler, megabytes=300, started=str(started), options={"memory_mb": 200})
    assert (report.outcome, report.retryable) == ("fail", True)
    assert report.error == {
        "code": "OUT_OF_MEMORY",
        "message": "the attempt was killed: its processes took more than memory_mb = 200",
    }
    await until(lambda: not any(alive(int(pid)) for pid in started.read_text().split()))
    assert await executor.value("pid") == before


async def test_what_stays_below_its_limit_runs(local):
    executor = await local()
    assert await executor.value("echo", value=1, options={"memory_mb": 400}) == 1


async def test_a_command_s_memory_counts(local):
    fill = "import sys; kept = bytearray(300 << 20)\nwhile kept: kept[::4096] = b'x' * len(kept[::4096])"
    executor = await local(commands={"fill": {"argv": ["python3", "-c", fill]}})
    report = await executor.run("it", module="command", options={"command": "fill", "memory_mb": 200})
    assert report.error["code"] == "OUT_OF_MEMORY"


async def test_a_memory_error_is_named_as_one(local):
    executor = await local()
    report = await executor.run("exhaust_memory")
    assert (report.error["code"], report.retryable) == ("OUT_OF_MEMORY", True)
