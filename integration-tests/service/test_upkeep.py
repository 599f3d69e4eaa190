"""What dispatchers do for the database besides claiming: retention keeps up with what ends."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest
from pgflow import Client
from pgflow.dispatcher.links import Database, Link
from pgflow.dispatcher.problems import Problems
from pgflow.dispatcher.upkeep import Upkeep
from trial import single

LOGGER = logging.getLogger(__name__)
OLD = 1_200
REPORT = """
select count(*) as done from pgflow.report_step_tasks((
  select coalesce(jsonb_agg(to_jsonb(t) || '{"outcome": "complete", "output": 1}'), '[]') from (
    select run_id, step_slug, task_index, attempt_token
    from pgflow.claim_step_tasks('local', 'w', 500)) t))"""


@pytest.fixture
def old_runs(pgflow_database, pgflow_connection):
    """Counts the runs: many that ended years ago, which nobody keeps, and one of today."""
    with Client(pgflow_database) as client:
        client.deploy(single)
        client.set_retention(timedelta(days=1))
        pgflow_connection.execute("set pgflow.fake_now = '2020-01-01'")
        slug = single.slug
        many = "select from pgflow.run_flows(%s, array_fill('1'::jsonb, array[%s]))"
        pgflow_connection.execute(many, [slug, OLD])
        while pgflow_connection.execute(REPORT).fetchone()["done"]:
            pass
        pgflow_connection.execute("reset pgflow.fake_now")
        client.start(single, 1)
    return lambda: pgflow_connection.execute("select count(*) from pgflow.runs").fetchone()["count"]


@pytest.fixture
async def links(pgflow_database):
    """Two connections of dispatchers."""
    database = Database(pgflow_database, worker_id="w", lease=30.0, logger=LOGGER)
    await database.open()
    made = Link(database), Link(database)
    yield made
    for link in made:
        await link.close()


async def test_one_round_deletes_all_that_nobody_keeps(old_runs, links):
    """One portion every ten seconds would be fewer than end on a busy installation."""
    assert old_runs() == OLD + 1
    await Upkeep(30.0, Problems(LOGGER)).round(links[0])
    assert old_runs() == 1


async def test_dispatchers_take_turns(old_runs, links, pgflow_connection):
    """Whoever finds another one deleting leaves it to that one."""
    upkeep = Upkeep(30.0, Problems(LOGGER))
    with pgflow_connection.transaction():
        pgflow_connection.execute("select pgflow_locks.try_lock_maintenance()")
        await upkeep.round(links[0])
        assert old_runs() == OLD + 1
    await asyncio.gather(*map(upkeep.round, links))
    assert old_runs() == 1
