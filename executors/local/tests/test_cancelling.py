"""cancel() stops the code and silences it."""

from datetime import timedelta

import pytest

from .support import alive, until

GRACE = timedelta(seconds=0.3)


async def silent(executor, attempt):
    """Cancelled attempts get no report, however long others take after them."""
    await executor.value("echo", value="after")
    assert executor.reports[attempt.attempt_token] == []


@pytest.mark.parametrize("handler", ["spin", "ignore_sigterm", "block_async_stubbornly"])
async def test_a_running_attempt_is_killed(local, tmp_path, handler):
    executor = await local()
    started = tmp_path / "started"
    attempt = await executor.launch(handler, started=str(started))
    await until(started.exists)
    for _ in range(2):
        await executor.executor.cancel(executor.ref(attempt), GRACE)
    await until(lambda: not alive(int(started.read_text())))
    await silent(executor, attempt)
    await executor.executor.cancel(executor.ref(attempt), GRACE)


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_coroutine_is_cancelled_and_its_process_lives(local, tmp_path, concurrency):
    executor = await local(concurrency_per_process=concurrency)
    before = await executor.value("pid")
    started, cleaned = tmp_path / "started", tmp_path / "cleaned"
    attempt = await executor.launch("block_async_politely", started=str(started), cleaned=str(cleaned))
    await until(started.exists)
    await executor.executor.cancel(executor.ref(attempt), GRACE)
    await until(cleaned.exists)
    await silent(executor, attempt)
    assert await executor.value("pid") == before


async def test_what_has_not_started_never_does(local, tmp_path):
    """Neither in the executor's queue, nor in the pipe of a process, nor in the process itself."""
    executor = await local()
    await executor.hurry()
    gate, ran = tmp_path / "gate", tmp_path / "ran"
    await executor.launch("block", started=str(tmp_path / "started"), until=str(gate))
    waiting = [await executor.launch("append", file=str(ran), line=str(number)) for number in range(4)]
    await executor.executor.cancel(executor.ref(waiting[0]), GRACE)  # not yet given to the process
    await until((tmp_path / "started").exists)
    await executor.executor.cancel(executor.ref(waiting[2]), GRACE)
    await until(lambda: executor.is_gone(waiting[2]), "the process gives up the task")
    gate.touch()
    await executor.ended(waiting[3])
    assert ran.read_text().split() == ["1", "3"]
    await silent(executor, waiting[0])
    await silent(executor, waiting[2])


async def test_a_neighbour_in_the_same_loop_goes_on(local, tmp_path):
    executor = await local(concurrency_per_process=2)
    gate = tmp_path / "gate"
    beside = await executor.launch("block_async", started=str(tmp_path / "on"), until=str(gate))
    attempt = await executor.launch(
        "block_async_politely", started=str(tmp_path / "started"), cleaned=str(tmp_path / "cleaned")
    )
    await until(lambda: (tmp_path / "on").exists() and (tmp_path / "started").exists())
    await executor.executor.cancel(executor.ref(attempt), GRACE)
    await until((tmp_path / "cleaned").exists)
    gate.touch()
    assert (await executor.ended(beside)).outcome == "complete"


async def test_an_unknown_attempt_is_no_error(local):
    executor = await local()
    await executor.executor.cancel(executor.ref(executor.attempt("noop")), GRACE)
