"""The upkeep of the database: what is overdue, and the runs that nobody keeps any longer."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

from pgflow.database.statements.operations import maintain
from pgflow.dispatcher.links import Link
from pgflow.dispatcher.problems import Problems
from pgflow.errors import DatabaseUnreachable, PgflowError

__all__ = ["Upkeep"]

_SECONDS: Final = 10.0
"""Between two rounds, at most."""

_REST: Final = 2.0
"""Times as long as a pass took, before the next of its round: deleting takes a third of one connection."""

_SHORTEST_REST: Final = 0.02


class Upkeep:
    """Calls maintain() now and then; every dispatcher does, and they do not get in each other's way."""

    def __init__(self, lease: float, problems: Problems) -> None:
        self._every = min(_SECONDS, lease / 3)
        self._problems = problems

    async def keep(self, link: Link) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(self._every * random.uniform(0.75, 1.25))
            try:
                await self.round(link)
            except DatabaseUnreachable:
                continue
            except PgflowError as error:
                self._problems.note("MAINTENANCE_FAILED", "maintain", str(error))

    async def round(self, link: Link) -> None:
        """Make passes, short transactions with rests between, until no more runs are to be deleted."""
        while True:
            began = time.monotonic()
            if not await link.run(maintain()):
                return
            await asyncio.sleep(max(_SHORTEST_REST, _REST * (time.monotonic() - began)))
