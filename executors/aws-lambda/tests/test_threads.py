"""A call that nobody waits for any more is not begun."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from pgflow_lambda.threads import Abandoned, NotBegun, Threads


@pytest.fixture
async def busy():
    """One thread, with a call under way until it is let go."""
    threads, began, go = Threads("test", 1), threading.Event(), threading.Event()

    def work():
        began.set()
        return go.wait(60)

    under_way = asyncio.create_task(threads.run(60, work))
    assert await asyncio.to_thread(began.wait, 60)
    threads.under_way, threads.go = under_way, go
    yield threads
    go.set()
    await threads.close()
    await asyncio.gather(under_way, return_exceptions=True)


async def test_a_call_that_found_no_thread_in_time_is_never_made(busy):
    made = []
    with pytest.raises(NotBegun):
        await busy.run(0.05, made.append, 1)
    busy.go.set()
    assert await busy.under_way
    assert await busy.run(60, len, "ab") == 2
    assert made == []


async def test_a_call_whose_caller_left_is_never_made(busy):
    made = []
    waiting = asyncio.create_task(busy.run(60, made.append, 1))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    busy.go.set()
    assert await busy.run(60, len, "ab") == 2
    assert made == []


async def test_a_call_under_way_may_take_too_long(busy):
    other = Threads("other", 1)
    go = threading.Event()
    with pytest.raises(TimeoutError):
        await other.run(1, go.wait, 60)
    go.set()
    await other.close()


async def test_closing_takes_back_what_waits_and_leaves_what_takes_too_long(busy, monkeypatch):
    monkeypatch.setattr("pgflow_lambda.threads._CLOSING", 0.05)
    waiting = asyncio.create_task(busy.run(60, len, ""))
    await asyncio.sleep(0)
    await busy.close()
    ended = await asyncio.gather(busy.under_way, waiting, return_exceptions=True)
    assert [type(each) for each in ended] == [Abandoned, NotBegun]


async def test_what_a_call_raises_once_nobody_waits_is_not_logged(caplog):
    threads, go = Threads("test", 1), threading.Event()

    def fail():
        assert go.wait(60)
        raise ValueError

    with pytest.raises(TimeoutError):
        await threads.run(1, fail)
    go.set()
    await threads.close()
    gc.collect()
    assert "never retrieved" not in caplog.text
