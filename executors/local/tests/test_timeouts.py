"""A timeout ends its own task, its process group if need be, and nothing else."""

import time

import pytest

from .support import alive, until


def pids(file):
    return [int(pid) for pid in file.read_text().split()]


@pytest.mark.parametrize("handler", ["block_with_child", "block_holding_the_lock"])
async def test_a_sync_handler_is_killed_with_all_it_started(local, tmp_path, handler):
    executor = await local()
    started = tmp_path / "started"
    report = await executor.run(handler, started=str(started), timeout=3)
    assert (report.outcome, report.retryable) == ("fail", True)
    assert report.error == {
        "code": "TIMEOUT",
        "message": "the handler was stopped after its timeout of 3 s",
    }
    await until(lambda: not any(alive(pid) for pid in pids(started)))
    assert await executor.value("echo", value=1) == 1


async def test_a_handler_that_ignores_sigterm_is_killed_after_the_grace(local, tmp_path):
    executor = await local(grace=0.4)
    started = tmp_path / "started"
    attempt = await executor.launch("ignore_sigterm", started=str(started), timeout=3)
    await until(started.exists)
    began = time.monotonic()
    assert (await executor.ended(attempt)).error["code"] == "TIMEOUT"
    assert time.monotonic() - began > 0.4
    assert not alive(pids(started)[0])


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_an_async_handler_is_cancelled_and_its_process_lives(local, tmp_path, concurrency):
    executor = await local(concurrency_per_process=concurrency)
    before = await executor.value("pid")
    cleaned = tmp_path / "cleaned"
    attempt = await executor.launch(
        "block_async_politely", started=str(tmp_path / "started"), cleaned=str(cleaned), timeout=3
    )
    assert (await executor.ended(attempt)).error["code"] == "TIMEOUT"
    assert cleaned.exists()
    assert await executor.value("pid") == before


async def test_an_async_handler_that_will_not_stop_is_killed_and_its_neighbours_handed_back(local, tmp_path):
    executor = await local(concurrency_per_process=2, grace=0.3)
    beside = await executor.launch("block_async", started=str(tmp_path / "on"), until=str(tmp_path / "never"))
    await until((tmp_path / "on").exists)
    started = tmp_path / "started"
    report = await executor.run("block_async_stubbornly", started=str(started), timeout=3)
    assert report.error["code"] == "TIMEOUT"
    assert not alive(pids(started)[0])
    report = await executor.ended(beside)
    assert (report.outcome, report.error["code"]) == ("release", "PROCESS_STOPPED")


async def test_what_waited_behind_runs_elsewhere(local, tmp_path):
    executor = await local()
    await executor.hurry()
    hung = await executor.launch("spin", started=str(tmp_path / "started"), timeout=3)
    behind = [await executor.launch("echo", value=number) for number in range(20)]
    assert [executor.output(await executor.ended(attempt)) for attempt in behind] == list(range(20))
    assert (await executor.ended(hung)).error["code"] == "TIMEOUT"


async def test_waiting_for_a_process_does_not_count(local, tmp_path):
    """The clock starts with the handler, not with the launch."""
    executor = await local()
    gate = tmp_path / "gate"
    await executor.launch("block", started=str(tmp_path / "first"), until=str(gate))
    await until((tmp_path / "first").exists)
    waiting = await executor.launch("beat", seconds=0.05, timeout=4)
    since = time.monotonic()
    await until(lambda: time.monotonic() - since > 4.1)
    gate.touch()
    assert (await executor.ended(waiting)).outcome == "complete"


async def test_silence_is_a_timeout_of_its_own(local, tmp_path):
    executor = await local()
    assert await executor.value("beat", seconds=7, heartbeat_timeout=5) == "alive"
    report = await executor.run("spin", started=str(tmp_path / "started"), heartbeat_timeout=5)
    assert report.error["code"] == "HEARTBEAT_TIMEOUT"
    assert report.retryable


async def test_an_import_that_hangs_is_stopped(local):
    executor = await local(start_timeout=10)
    report = await executor.run("run", module="hangs")
    assert report.error["code"] == "TIMEOUT"
    assert "the import of the module of hangs:run" in report.error["message"]


async def test_output_written_before_the_timeout_is_kept(local, tmp_path):
    executor = await local()
    report = await executor.run(
        "say_forever", started=str(tmp_path / "started"), until=str(tmp_path / "never"), timeout=3
    )
    assert report.error["code"] == "TIMEOUT"
    assert "x" * 1000 in report.log_tail
    assert len(report.log_tail) < 70_000
