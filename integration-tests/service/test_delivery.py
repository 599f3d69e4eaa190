"""Reports as our own client code sends them: contended runs, open transactions, content that is refused."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from random import Random
from uuid import uuid4

import pytest
from pgflow.database import connect, fetch
from pgflow.database.statements.tasks import claim_step_tasks, complete_step_task, report_step_tasks
from pgflow.dispatcher.attempts import LiveTask
from pgflow.dispatcher.delivery import Delivery, Outcomes
from pgflow.dispatcher.links import Database, Link
from pgflow.dispatcher.problems import Problems
from pgflow.dispatcher.reports import Report, encode
from pgflow.executor import TaskReport

LOGGER = logging.getLogger(__name__)


@pytest.fixture
def start(pgflow_connection):
    """Start runs of a flow with these steps, and claim what is ready."""

    def started(dsn, runs, *steps):
        definition = {"flow_slug": "f", "steps": [{"handler": "m:f", **step} for step in steps]}
        pgflow_connection.execute("select pgflow.define_flow(%s)", [json.dumps(definition)])
        pgflow_connection.execute(
            "select pgflow.run_flows('f', array_fill('[0, 1, 2, 3]'::jsonb, array[%s]))", [runs]
        )
        with connect(dsn) as connection:
            return fetch(connection, claim_step_tasks("local", "w", 1000))

    return started


def said(task, outcome="complete", **more):
    live = LiveTask.of(task, "local", 0.0)
    report = TaskReport(
        task.run_id, task.step_slug, task.task_index, task.attempt_token, outcome, **{"output": "1", **more}
    )
    return encode(live, report)


def as_array(reports):
    return f"[{','.join(report.text for report in reports)}]"


def test_batches_of_four_clients_on_the_same_runs_meet_no_deadlock(pgflow_database, start):
    siblings = [{"step_slug": f"s{number}"} for number in range(6)]
    items = {"step_slug": "m", "step_type": "map", "map_over": "run"}
    tasks = start(pgflow_database, 10, *siblings, items, {"step_slug": "end", "deps": ["s0", "s1", "m"]})
    assert len(tasks) == 100
    random = Random(1)
    random.shuffle(tasks)
    reports = [
        said(task, "fail", error={"message": "broke"}, retryable=False)
        if random.random() < 0.05
        else said(task)
        for task in tasks
    ]

    def send(number):
        mine = reports[number::4]
        with connect(pgflow_database) as connection:
            parts = [mine[first : first + 5] for first in range(0, len(mine), 5)]
            return [s for part in parts for s in fetch(connection, report_step_tasks(as_array(part)))]

    with ThreadPoolExecutor(4) as pool:
        statuses = Counter(status for answer in pool.map(send, range(4)) for status in answer)
    assert set(statuses) == {"completed", "failed", "stale"}
    assert statuses.total() == 100


class Delivered:
    """Where a lane's reports go, and with what answer."""

    def __init__(self):
        self.statuses = {}
        self.dropped = []

    @asynccontextmanager
    async def delivery(self, dsn):
        database = Database(dsn, worker_id="w", lease=30, logger=LOGGER)
        await database.open()
        outcomes = Outcomes(self.settle, self.dropped.extend, self.dropped.append)
        delivery, link = Delivery(Link(database), outcomes, Problems(LOGGER), LOGGER), Link(database)
        retrying = asyncio.create_task(delivery.retry_held())
        try:
            yield delivery, link
        finally:
            retrying.cancel()
            await link.close()
            await delivery.close()

    def settle(self, reports, statuses):
        for report, status in zip(reports, statuses, strict=True):
            self.statuses[report.task.token] = status


async def test_open_transaction_of_a_user_delays_only_its_own_run(pgflow_database, start, aeventually):
    tasks = start(pgflow_database, 101, {"step_slug": "a"}, {"step_slug": "b"})
    held = tasks[50].run_id
    mine, *_ = [task for task in tasks if task.run_id == held and task.step_slug == "a"]
    delivered = Delivered()
    with connect(pgflow_database) as user:
        user.execute("begin")
        key = (mine.run_id, mine.step_slug, mine.task_index, mine.attempt_token)
        assert fetch(user, complete_step_task(*key, '"by hand"')) == "completed"
        async with delivered.delivery(pgflow_database) as (delivery, link):
            await delivery.deliver(link, [said(task) for task in tasks if task is not mine])
            # The transaction is still open, and everything else is applied.
            assert Counter(delivered.statuses.values()) == {"completed": 200}
            assert len(delivery) == 1
            user.execute("commit")
            await aeventually(lambda: len(delivered.statuses) == 201)
    assert set(delivered.statuses.values()) == {"completed"}


async def test_batch_of_a_hundred_with_three_that_cannot_be_applied(
    pgflow_database, start, pgflow_connection
):
    tasks = start(pgflow_database, 99, {"step_slug": "a"})
    with connect(pgflow_database) as connection:
        assert fetch(connection, report_step_tasks(as_array([said(tasks[0])]))) == ["completed"]
    reports = [said(task) for task in tasks]
    nul = reports[1] = said(tasks[1], output=r'"a\u0000b"')
    reports.append(said(tasks[0]._replace(run_id=uuid4(), attempt_token=uuid4())))
    delivered = Delivered()
    async with delivered.delivery(pgflow_database) as (delivery, link):
        await delivery.deliver(link, reports)
    answers = [delivered.statuses[report.task.token] for report in reports]
    assert answers == ["duplicate", "failed", *["completed"] * 97, "unknown"]
    assert delivered.dropped == []
    query = "select error ->> 'code' as code from pgflow.step_tasks where run_id = %s"
    assert pgflow_connection.execute(query, [nul.task.run_id]).fetchall() == [{"code": "OUTPUT_INVALID"}]


async def test_report_of_a_bad_shape_is_answered_and_costs_the_others_nothing(pgflow_database, start):
    tasks = start(pgflow_database, 20, {"step_slug": "a"})
    reports = [said(task) for task in tasks]
    reports[7] = Report(reports[7].task, '{"run_id": 5}')
    delivered = Delivered()
    async with delivered.delivery(pgflow_database) as (delivery, link):
        await delivery.deliver(link, reports)
    answers = [delivered.statuses[report.task.token] for report in reports]
    assert answers == ["completed"] * 7 + ["invalid"] + ["completed"] * 12
