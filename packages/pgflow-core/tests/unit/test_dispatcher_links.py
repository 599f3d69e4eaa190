"""How a dispatcher comes back after an outage: in good time for the grace that the first one asks for."""

import asyncio
import logging

import pytest
from pgflow.dispatcher.links import Database

LOGGER = logging.getLogger(__name__)


@pytest.mark.parametrize(("lease", "longest"), [(0.6, 0.1), (3, 0.5), (30, 5), (3600, 5)])
async def test_between_two_attempts_to_reconnect_lies_a_sixth_of_a_lease_at_most(
    lease, longest, monkeypatch, tmp_path
):
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 30:
            raise asyncio.CancelledError

    database = Database(f"host={tmp_path}", worker_id="w", lease=lease, logger=LOGGER)
    database.up.set()
    database.lose("cut", seen_outages=0)
    monkeypatch.setattr("asyncio.sleep", wait)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    with pytest.raises(asyncio.CancelledError):
        await database.recover(lambda link: link.ping())
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(longest)
