"""aclose() leaves no process, no file and no task; the fixture checks that after every test here."""

import asyncio

import pytest

from .support import PATIENCE, alive, until


@pytest.mark.parametrize("size", [1, 300_000], ids=["in_the_socket", "more_than_the_socket_holds"])
async def test_waiting_tasks_are_handed_back_and_running_ones_may_end(local, tmp_path, size):
    executor = await local(grace=10)
    await executor.hurry()
    started, gate = tmp_path / "started", tmp_path / "gate"
    running = await executor.launch("block", started=str(started), until=str(gate))
    waiting = [await executor.launch("echo", value="x" * size) for _ in range(5)]
    await until(started.exists)
    closing = executor.closing()
    for attempt in waiting:
        report = await executor.ended(attempt)
        assert (report.outcome, report.error["code"]) == ("release", "SHUTDOWN")
    assert executor.reports[running.attempt_token] == []
    gate.touch()
    await closing
    assert executor.reports[running.attempt_token][0].outcome == "complete"


@pytest.mark.parametrize("handler", ["spin", "ignore_sigterm", "block_async_stubbornly"])
async def test_what_still_runs_after_the_grace_is_killed_and_handed_back(local, tmp_path, handler):
    executor = await local(grace=0.3)
    started = tmp_path / "started"
    attempt = await executor.launch(handler, started=str(started))
    await until(started.exists)
    async with asyncio.timeout(PATIENCE):
        await executor.executor.aclose()
    assert not alive(int(started.read_text()))
    (report,) = executor.reports[attempt.attempt_token]
    assert (report.outcome, report.error["code"]) == ("release", "SHUTDOWN")


async def test_an_executor_that_is_still_starting_closes_at_once(local):
    executor = await local(processes=3, grace=30)
    attempt = await executor.launch("noop")
    await executor.executor.aclose()
    assert executor.reports[attempt.attempt_token][0].outcome == "release"


async def test_closing_twice_is_no_error(local):
    executor = await local()
    await executor.executor.aclose()
    await executor.executor.aclose()


async def test_every_task_is_reported_once_when_closed_under_load(local):
    executor = await local(processes=2)
    await executor.hurry()
    amid = executor.count + 200
    closing = []

    def close_amid():
        if executor.count == amid:
            closing.append(executor.closing())

    executor.heard = close_amid
    attempts = [await executor.launch("noop") for _ in range(3000)]
    await until(lambda: closing and closing[0].done())
    outcomes = [executor.reports[attempt.attempt_token] for attempt in attempts]
    assert all(len(reports) == 1 for reports in outcomes)
    assert {reports[0].outcome for reports in outcomes} == {"complete", "release"}


async def test_exit_handlers_of_user_code_run_to_their_end(local, tmp_path):
    began, gate, tidied = tmp_path / "began", tmp_path / "gate", tmp_path / "tidied"
    (tmp_path / "tidy.py").write_text(
        "import atexit, os, pathlib, time\n"
        "def tidy():\n"
        f"    pathlib.Path({str(began)!r}).touch()\n"
        f"    while not os.path.exists({str(gate)!r}):\n"
        "        time.sleep(0.01)\n"
        f"    pathlib.Path({str(tidied)!r}).touch()\n"
        "def run() -> None:\n"
        "    atexit.register(tidy)\n"
    )
    executor = await local(pythonpath=(tmp_path,), grace=30)
    await executor.value("run", module="tidy")
    closing = executor.closing()
    await until(began.exists)
    gate.touch()
    await closing
    assert tidied.exists()
