"""Who gets which task, and what becomes of the tasks of a process that goes away."""

import os
import signal

from .support import alive, until


async def test_nothing_waits_behind_a_long_task_while_another_process_is_idle(local, tmp_path):
    executor = await local(processes=2)
    await executor.hurry()
    gate = tmp_path / "gate"
    long = await executor.launch("block", started=str(tmp_path / "started"), until=str(gate))
    short = [await executor.launch("echo", value=number) for number in range(40)]
    assert [executor.output(await executor.ended(attempt)) for attempt in short] == list(range(40))
    assert executor.reports[long.attempt_token] == []
    gate.touch()
    assert await executor.ended(long)


async def test_a_crash_costs_what_waited_behind_nothing(local):
    executor = await local()
    await executor.hurry()
    crashing = await executor.launch("hard_exit", code=1)
    behind = [await executor.launch("echo", value=number) for number in range(40)]
    assert [executor.output(await executor.ended(attempt)) for attempt in behind] == list(range(40))
    assert (await executor.ended(crashing)).error["code"] == "CRASHED"


async def test_tasks_are_handed_back_when_long_ones_fill_every_process(local, tmp_path, monkeypatch):
    monkeypatch.setattr("pgflow_local.watch._PATIENCE", 0.2)
    executor = await local()
    await executor.hurry()
    gate = tmp_path / "gate"
    long = await executor.launch("block", started=str(tmp_path / "started"), until=str(gate))
    behind = [await executor.launch("noop") for _ in range(5)]
    for attempt in behind:
        report = await executor.ended(attempt)
        assert (report.outcome, report.error["code"]) == ("release", "NO_ROOM")
    assert executor.executor.capacity == 1
    gate.touch()
    assert (await executor.ended(long)).outcome == "complete"


async def test_a_process_is_replaced_after_its_share_of_tasks(local):
    executor = await local(max_tasks_per_process=3)
    attempts = [await executor.launch("pid") for _ in range(10)]
    pids = [executor.output(await executor.ended(attempt)) for attempt in attempts]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3, 1]
    await until(lambda: not any(alive(pid) for pid in pids[:-1]))


async def test_a_replaced_process_that_will_not_exit_is_killed(local):
    executor = await local(max_tasks_per_process=1, grace=0.3)
    stuck = await executor.value("pid_of_endless_thread")
    await until(lambda: not alive(stuck))
    assert await executor.value("echo", value=1) == 1


async def test_an_idle_process_that_dies_is_replaced(local, caplog):
    executor = await local()
    before = await executor.value("pid")
    os.kill(before, signal.SIGKILL)
    assert await executor.value("pid") != before
    assert f"a worker process (pid {before}) was killed by SIGKILL" in caplog.text
