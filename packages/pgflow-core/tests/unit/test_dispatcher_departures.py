"""Which shuttle leaves, and when."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest
from pgflow.dispatcher.departures import Departures

LONG, PATIENCE = 3600.0, 60.0


class Yard:
    """Shuttles that rest at `departures`; `delay` is what they are told."""

    def __init__(self) -> None:
        self.delay = math.inf
        self.asked = 0
        self._told = asyncio.Event()
        self.left: list[str] = []
        self.departures = Departures(self._tell)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def _tell(self) -> float:
        self.asked += 1
        self._told.set()
        return self.delay

    async def has_asked(self, before: int) -> None:
        """Wait until the delay was asked for once more."""
        async with asyncio.timeout(PATIENCE):
            while self.asked == before:
                self._told.clear()
                await self._told.wait()

    async def arrives(self, name: str) -> None:
        async def shuttle() -> None:
            await self.departures.due()
            self.left.append(name)
            self.delay = math.inf  # what was due is on its way

        self._tasks[name] = asyncio.create_task(shuttle())
        await self.settles()

    async def breaks_down(self, name: str) -> None:
        self._tasks[name].cancel()
        await self.settles()

    async def settles(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def leaves(self, name: str) -> None:
        await asyncio.wait_for(self._tasks[name], PATIENCE)

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    yard = Yard()
    yield yard
    yard.close()


async def test_a_shuttle_leaves_at_once_when_an_exchange_is_due(yard):
    yard.delay = 0.0
    await yard.arrives("a")
    assert yard.left == ["a"]


async def test_the_one_that_came_last_leaves_first_and_alone(yard):
    for name in "ab":
        await yard.arrives(name)
    yard.delay = 0.0
    yard.departures.reconsider()
    yard.departures.reconsider()
    await yard.settles()
    assert yard.left == ["b"]


async def test_what_changed_without_making_one_due_leaves_all_at_rest(yard):
    await yard.arrives("a")
    yard.departures.reconsider()
    await yard.settles()
    assert yard.left == []
    yard.delay = 0.0
    yard.departures.reconsider()
    await yard.leaves("a")


async def test_it_leaves_when_the_time_has_come(yard):
    yard.delay = LONG
    await yard.arrives("a")
    yard.delay = 0.001
    yard.departures.reconsider()  # the first timer is later than this
    await yard.settles()
    yard.delay = min(yard.delay, 0.0)
    await yard.leaves("a")


async def test_an_early_timer_stays_and_makes_nobody_leave_early(yard):
    yard.delay = 0.001
    await yard.arrives("a")
    yard.delay, asked = LONG, yard.asked
    await yard.has_asked(asked)
    await yard.settles()
    assert yard.left == []


async def test_who_leaves_sees_to_the_next(yard):
    for name in "ab":
        await yard.arrives(name)
    yard.delay = 0.0
    yard.departures.reconsider()
    await yard.leaves("b")
    yard.delay = 0.0
    yard.departures.reconsider()
    await yard.leaves("a")
    assert yard.left == ["b", "a"]


async def test_a_look_by_the_clock_keeps_their_order(yard):
    yard.delay = 0.001
    for name in "ab":
        await yard.arrives(name)
    yard.delay, asked = LONG, yard.asked
    await yard.has_asked(asked)
    await yard.arrives("c")
    yard.delay = 0.0
    yard.departures.reconsider()
    await yard.leaves("c")
    yard.delay = 0.0
    yard.departures.reconsider()
    await yard.leaves("b")
    assert yard.left == ["c", "b"]


async def test_a_shuttle_that_is_gone_is_not_called(yard):
    for name in "ab":
        await yard.arrives(name)
    await yard.breaks_down("b")
    yard.delay = 0.0
    yard.departures.reconsider()
    await yard.leaves("a")


async def test_one_that_breaks_down_when_called_keeps_nobody_from_leaving(yard):
    for name in "ab":
        await yard.arrives(name)
    yard.delay = 0.0
    yard.departures.reconsider()
    await yard.breaks_down("b")
    yard.departures.reconsider()
    await yard.leaves("a")
