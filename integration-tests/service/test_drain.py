"""A dispatcher that is told to stop: what it holds ends, what comes in on the way too, nothing is lost."""

import psycopg
import pytest
from pgflow import Client
from trial import Load, loaded, single
from trial_executors import Here, complete


@pytest.fixture
def client(pgflow_database):
    with Client(pgflow_database) as client:
        client.deploy(single)
        client.deploy(loaded)
        yield client


def ended_otherwise(dsn: str) -> list[tuple]:
    """List the attempts that did not complete their task."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute("select outcome, error from pgflow.step_task_attempts").fetchall()


async def test_tasks_whose_claim_is_on_its_way_are_run_before_the_end(
    client, pgflow_database, pgflow_connection, proxy, proxied, dispatching, aeventually
):
    query = "select count(*) as claimed from pgflow.step_tasks where status = 'running'"
    executor = Here(complete)
    async with dispatching(proxied, [executor.instance], grace=60.0):
        proxy.delay = 0.5  # long enough to see in the database what the dispatcher does not know of yet
        handle = client.start(single, 1)
        await aeventually(lambda: pgflow_connection.execute(query).fetchone()["claimed"])
    assert handle.status() == "completed"
    assert ended_otherwise(pgflow_database) == []


@pytest.mark.slow
def test_a_dispatcher_stopped_amid_much_work_cuts_nothing_short(
    client, pgflow_database, pgflow_connection, processes, eventually, tmp_path
):
    items = 300
    query = "select count(*) as done from pgflow.step_tasks where step_slug = 'work' and status = 'completed'"
    handle = client.start(loaded, Load(items, 0.01, str(tmp_path)))
    both = [processes(pgflow_database, grace=60.0, settings={"processes": 2}) for _ in range(2)]
    eventually(lambda: pgflow_connection.execute(query).fetchone()["done"] > 50)
    assert both[0].terminate() == 0
    assert both[0].said("0 attempts were cut short and handed back")
    assert handle.result(60) == sum(range(items))
    assert ended_otherwise(pgflow_database) == []
    assert both[1].terminate() == 0
