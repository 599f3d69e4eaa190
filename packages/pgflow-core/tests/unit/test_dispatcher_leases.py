"""What heartbeats carry: the renewal of a lease never takes the news of an attempt along."""

import asyncio
import logging
from types import SimpleNamespace
from uuid import UUID

import pytest
from pgflow.dispatcher.leases import LeaseKeeper
from pgflow.dispatcher.problems import Problems
from pgflow.errors import DatabaseUnreachable


class Unreachable:
    """A link whose database is away; remembers what was to be sent."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def send(self, statement):
        self.told.append(statement.params[0])
        raise DatabaseUnreachable


async def test_a_renewal_leaves_progress_to_whoever_tells_it_in_order():
    task = SimpleNamespace(
        address='"task_index":0', progress='{"done":1}', written='"log_tail":"x"', renewed_at=0.0
    )
    lane = SimpleNamespace(open={UUID(int=1): task})
    keeper = LeaseKeeper([lane], 30, Problems(logging.getLogger(__name__)), asyncio.Event())
    link = Unreachable()
    with pytest.raises(DatabaseUnreachable):
        await keeper.renew(link)
    assert link.told == ['[{"task_index":0}]']
    assert (task.progress, task.written) == ('{"done":1}', '"log_tail":"x"')
