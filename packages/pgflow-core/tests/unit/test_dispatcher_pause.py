"""A wait that may become shorter while it lasts."""

import asyncio

import pytest
from pgflow.dispatcher.pause import Pause

LONG, PATIENCE = 3600.0, 60.0


@pytest.fixture
def seconds():
    return [LONG]


@pytest.fixture
def pause(seconds):
    return Pause(lambda: seconds[0])


async def test_it_lasts_as_long_as_the_interval_says_now(pause, seconds):
    waiting = asyncio.create_task(pause.wait())
    await asyncio.sleep(0)
    pause.reconsider()
    await asyncio.sleep(0)
    assert not waiting.done()
    seconds[0] = 0.0
    pause.reconsider()
    await asyncio.wait_for(waiting, PATIENCE)


async def test_it_may_be_ended(pause):
    waiting = asyncio.create_task(pause.wait())
    await asyncio.sleep(0)
    pause.end()
    await asyncio.wait_for(waiting, PATIENCE)


async def test_what_was_ended_before_it_began_is_over_and_the_next_is_not(pause):
    pause.end()
    await asyncio.wait_for(pause.wait(), PATIENCE)
    waiting = asyncio.create_task(pause.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_an_interval_of_nothing_does_not_wait(pause, seconds):
    seconds[0] = 0.0
    await asyncio.wait_for(pause.wait(), PATIENCE)
