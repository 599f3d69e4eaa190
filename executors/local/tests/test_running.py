"""Handlers run, and their results come back as they are."""

import sys

import pytest
from pgflow.executor import Accepted, Observation, Phase, Progress

from .support import until, wakeups

VALUES = [None, 0, False, "", "žluťoučký 🐎", [1, [2.5, None]], {"a": {"b": []}}, 'quote " and \\', "\u2028"]


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_values_survive(local, concurrency):
    executor = await local(concurrency_per_process=concurrency)
    for handler in ("echo", "echo_async"):
        assert [await executor.value(handler, value=value) for value in VALUES] == VALUES


async def test_absent_parameters_keep_their_defaults(local):
    executor = await local()
    assert await executor.value("add", a=1) == 11
    assert await executor.value("add", a=1, b=2) == 3


async def test_ten_megabytes_go_through(local):
    executor = await local()
    assert len(await executor.value("big", size=10_000_000)) == 5_000_000
    assert len(await executor.value("echo", value="x" * 10_000_000)) == 10_000_000
    assert await executor.value("echo", value="still there") == "still there"


async def test_the_handler_knows_its_task(local):
    executor = await local()
    attempt = await executor.launch("who", timeout=50)
    seen = executor.output(await executor.ended(attempt))
    assert 49 < seen.pop("seconds_left") <= 50
    assert seen == {
        "run_id": str(attempt.run_id),
        "flow_slug": "shop",
        "flow_version": 7,
        "step_slug": "deed",
        "task_index": 0,
        "attempt": 2,
    }


async def test_tasks_of_one_process_start_in_the_order_of_their_launch(local, tmp_path):
    executor = await local()
    await executor.hurry()
    file = tmp_path / "order"
    attempts = [await executor.launch("append", file=str(file), line=str(number)) for number in range(100)]
    for attempt in attempts:
        await executor.ended(attempt)
    assert file.read_text().split() == [str(number) for number in range(100)]


async def test_as_many_run_at_once_as_there_are_processes(local, tmp_path):
    executor = await local(processes=2)
    gate = tmp_path / "gate"
    for number in range(3):
        await executor.launch("block", started=str(tmp_path / f"{number}"), until=str(gate))
    await until(lambda: (tmp_path / "0").exists() and (tmp_path / "1").exists())
    pids = {(tmp_path / name).read_text() for name in "01"}
    assert len(pids) == 2
    assert not (tmp_path / "2").exists()
    gate.touch()
    await until((tmp_path / "2").exists)


async def test_async_handlers_share_a_process_up_to_the_limit(local, tmp_path):
    executor = await local(concurrency_per_process=3)
    gate = tmp_path / "gate"
    attempts = [
        await executor.launch("block_async", started=str(tmp_path / f"{number}"), until=str(gate))
        for number in range(4)
    ]
    files = [tmp_path / f"{number}" for number in range(3)]
    await until(lambda: all(file.exists() for file in files))
    assert len({file.read_text() for file in files}) == 1
    assert not (tmp_path / "3").exists()
    gate.touch()
    for attempt in attempts:
        assert (await executor.ended(attempt)).outcome == "complete"


async def test_sync_handlers_take_turns_while_async_ones_go_on(local, tmp_path):
    executor = await local(concurrency_per_process=4)
    gate = tmp_path / "gate"
    await executor.launch("block", started=str(tmp_path / "first"), until=str(gate))
    second = await executor.launch("block", started=str(tmp_path / "second"), until=str(gate))
    await until((tmp_path / "first").exists)
    assert await executor.value("echo_async", value="meanwhile") == "meanwhile"
    assert not (tmp_path / "second").exists()
    gate.touch()
    assert (await executor.ended(second)).outcome == "complete"


async def test_an_attempt_launched_twice_runs_once(local, tmp_path):
    executor = await local()
    file = tmp_path / "once"
    attempt = await executor.launch("append", file=str(file), line="here")
    assert await executor.executor.launch(attempt) == Accepted(adopted=True)
    await executor.ended(attempt)
    await executor.value("noop")
    assert file.read_text() == "here\n"


async def test_observe_tells_running_from_waiting_from_gone(local, tmp_path):
    executor = await local()
    gate = tmp_path / "gate"
    started = tmp_path / "started"
    running = await executor.launch("report_progress", started=str(started), until=str(gate))
    waiting = await executor.launch("noop")
    await until(started.exists)
    refs = [executor.ref(running), executor.ref(waiting)]
    seen = await executor.executor.observe(refs)
    assert [observation.phase for observation in seen] == [Phase.RUNNING, Phase.PENDING]
    assert executor.progress == [(running, Progress(3, 4, "nearly"))]
    gate.touch()
    await executor.ended(waiting)
    assert await executor.executor.observe(refs) == [Observation(ref, Phase.NOT_FOUND) for ref in refs]


async def test_nothing_is_launched_before_the_start(local):
    executor = await local()
    await executor.executor.aclose()
    assert executor.executor.capacity == 0
    attempt = executor.attempt("noop")
    result = await executor.executor.launch(attempt)
    assert (result.kind, result.reason) == ("transient", "the executor is not running")
    await executor.executor.cancel(executor.ref(attempt), attempt.timeout)
    (observation,) = await executor.executor.observe([executor.ref(attempt)])
    assert observation.phase is Phase.NOT_FOUND


async def test_capacity_grows_while_tasks_are_short_and_shrinks_when_they_are_not(local, tmp_path):
    executor = await local(processes=2)
    await until(lambda: executor.executor.capacity == 2)
    await executor.hurry()
    gate = tmp_path / "gate"
    for number in range(2):
        await executor.launch("block", started=str(tmp_path / f"{number}"), until=str(gate))
    await until(lambda: executor.executor.capacity == 2)
    gate.touch()


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else says how often a process woke up")
async def test_a_task_alone_wakes_its_process_once(local):
    executor = await local()
    pid = await executor.value("pid")
    before, tasks = wakeups(pid), 50
    for number in range(tasks):
        assert await executor.value("echo", value=number) == number
    assert wakeups(pid) - before < 1.5 * tasks  # what the system itself may cause is no reason to fail
