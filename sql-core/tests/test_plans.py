"""What one call of each hot verb reads does not grow with what is stored, whatever the statistics say.

Counted in blocks, as the functions run, by PostgreSQL itself: a plan that walks an index or a table from end
to end reads more of them. No planner method is switched off here; the functions pin their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from .support import crowd
from .support.definitions import step
from .support.engine import Engine, complete_report, fail_report, key, reference

#: May be read whole: they hold a row an executor, an executor and priority, or in all.
TINY = {"executors", "queues", "settings", "sweep_marks"}

#: Ended runs and others while the first plans are made: so few that walking a table looks cheap.
FEW = (2, 120)

Call = tuple[str, tuple[Any, ...]]
Prepared = Callable[[Engine], Call]

CLAIM = "pgflow.claim_step_tasks('local', 'w', %s)"
EXCHANGE = "select * from pgflow.exchange_step_tasks(%s, 'local', 'w', %s)"


def fresh(engine: Engine, slug: str = "chain", value: Any = None) -> Any:
    """A task that is claimed first."""
    engine.run(slug, {} if value is None else value, priority=50)
    return engine.take()


def reported(make: Callable[[Any], Any], slug: str = "chain", value: Any = None) -> Prepared:
    return lambda engine: (
        "select * from pgflow.report_step_tasks(%s)",
        (Jsonb([make(fresh(engine, slug, value))]),),
    )


def launched(engine: Engine) -> Any:
    engine.run("chain", priority=50)
    return engine.take(mode="launch")


def report_a_batch(engine: Engine) -> Call:
    engine.run_many("gated", [{}] * 10, priority=50)
    reports = [complete_report(task) for task in engine.claim(10)]
    return "select * from pgflow.report_step_tasks(%s)", (Jsonb(reports),)


def claim_past_a_cancelled_run(engine: Engine) -> Call:
    engine.cancel(engine.run("items", list(range(20)), priority=50))
    return f"select * from {CLAIM}", (1,)


def failed(engine: Engine) -> Any:
    task = fresh(engine)
    engine.fail(task, retryable=False)
    return task.run_id


def run_flows_of_a_known_key(engine: Engine) -> Call:
    engine.run("chain", idempotency_key="b")
    call = (
        "select * from pgflow.run_flows('chain', array_fill('{}'::jsonb, array[3]), idempotency_keys => %s)"
    )
    return call, (["a", "b", "c"],)


VERBS: dict[str, Prepared] = {
    "claim": lambda _: (f"select * from {CLAIM}", (1,)),
    "claim of a batch": lambda _: (f"select * from {CLAIM}", (20,)),
    "exchange": lambda engine: (EXCHANGE, (Jsonb([complete_report(fresh(engine), 1)]), 1)),
    "exchange of nothing": lambda _: (EXCHANGE, (Jsonb([]), 0)),
    "report a completion": reported(complete_report),
    "report an item": reported(complete_report, "items", [1, 2]),
    "report the last item": reported(complete_report, "items", [1]),
    "report a failure": reported(fail_report),
    "report a final failure": reported(lambda task: fail_report(task, retryable=False)),
    "complete": lambda engine: (
        "select pgflow.complete_step_task(%s, %s, %s, %s, '1')",
        key(fresh(engine)),
    ),
    "fail": lambda engine: (
        """select pgflow.fail_step_task(%s, %s, %s, %s, '{"message": "no"}')""",
        key(fresh(engine)),
    ),
    "release": lambda engine: (
        "select * from pgflow.release_step_tasks(%s)",
        (Jsonb([reference(fresh(engine))]),),
    ),
    "start a launched task": lambda engine: (
        "select * from pgflow.start_step_task(%s, %s, %s, %s, 'i')",
        key(launched(engine)),
    ),
    "record a launch": lambda engine: (
        "select * from pgflow.record_launches(%s)",
        (Jsonb([reference(launched(engine)) | {"outcome": "accepted", "handle": "h"}]),),
    ),
    "take due launches": lambda engine: (
        "select * from pgflow.due_launches('local', 10, 15, array[%s])",
        (launched(engine).external_id,),
    ),
    "observe a launch": lambda engine: (
        "select * from pgflow.observe_launches(%s)",
        (Jsonb([reference(launched(engine)) | {"attempt": 1, "phase": "exited_ok"}]),),
    ),
    "heartbeat": lambda engine: (
        "select * from pgflow.heartbeat_step_tasks(%s)",
        (Jsonb([reference(fresh(engine))]),),
    ),
    "heartbeat of an item": lambda engine: (
        "select * from pgflow.heartbeat_step_tasks(%s)",
        (Jsonb([reference(fresh(engine, "items", [1, 2]))]),),
    ),
    "run_flow": lambda _: ("select * from pgflow.run_flow('chain')", ()),
    "run_flow of a map": lambda _: ("select * from pgflow.run_flow('items', '[1, 2]')", ()),
    "run_flow of a known key": lambda engine: (
        "select * from pgflow.run_flow('chain', '{}', idempotency_key => 'known')",
        engine.rows("select from pgflow.run_flow('chain', '{}', idempotency_key => 'known')") and (),
    ),
    "run_flows": lambda _: (
        "select * from pgflow.run_flows('chain', array_fill('{}'::jsonb, array[10]))",
        (),
    ),
    "run_flows of a known key": run_flows_of_a_known_key,
    "cancel_run": lambda engine: ("select pgflow.cancel_run(%s)", (fresh(engine).run_id,)),
    "next_wake_at": lambda _: ("select pgflow.next_wake_at('{local}')", ()),
    "maintain": lambda _: ("select pgflow.maintain()", ()),
    "get_progress": lambda engine: ("select pgflow.get_progress(%s)", (fresh(engine).run_id,)),
    "get_run": lambda engine: ("select pgflow.get_run(%s)", (fresh(engine).run_id,)),
    "report a batch": report_a_batch,
    "claim past a cancelled run": claim_past_a_cancelled_run,
    "release of an item": lambda engine: (
        "select * from pgflow.release_step_tasks(%s)",
        (Jsonb([reference(fresh(engine, "items", [1, 2]))]),),
    ),
    "heartbeat with progress and a log": lambda engine: (
        "select * from pgflow.heartbeat_step_tasks(%s)",
        (Jsonb([reference(fresh(engine)) | {"progress": {"done": 1}, "log_tail": "a", "log_end": 1}]),),
    ),
    "retry_run": lambda engine: ("select pgflow.retry_run(%s)", (failed(engine),)),
    "queue_waits": lambda engine: (
        "select * from pgflow.queue_waits(array[%s], array['a'], array[0])",
        (fresh(engine).run_id,),
    ),
    "sweep_lag": lambda _: ("select pgflow.sweep_lag()", ()),
    "backlog": lambda _: ("select * from pgflow.backlog(50)", ()),
    "list_runs": lambda _: ("select pgflow.list_runs()", ()),
    "list_runs of a status": lambda _: ("select pgflow.list_runs('running', max_scanned => 100)", ()),
}


def costs(engine: Engine) -> dict[str, int]:
    """The blocks that each verb reads in a session that has made its plans."""
    found: dict[str, int] = {}
    for name, prepare in VERBS.items():
        counted: list[int] = []
        for _ in range(4):
            call, params = prepare(engine)
            counted.append(crowd.blocks(engine, call, *params))
        found[name] = min(counted[1:])
    return found


def scans(engine: Engine) -> dict[str, set[str]]:
    """The tables that each verb reads whole, but for the tiny ones."""
    found: dict[str, set[str]] = {}
    for name, prepare in VERBS.items():
        call, params = prepare(engine)
        found[name] = crowd.sequential_scans(engine, lambda c=call, p=params: engine.rows(c, *p)) - TINY
    return {name: tables for name, tables in found.items() if tables}


@pytest.fixture
def engines(quiet_database: str) -> Iterator[Callable[[], Engine]]:
    """A function that opens one more session on a database in which only the test analyses."""
    with ExitStack() as stack:

        def session() -> Engine:
            made = Engine(stack.enter_context(psycopg.connect(quiet_database, autocommit=True)))
            made.at(1000)
            return made

        yield session


@pytest.mark.parametrize(
    ("statistics", "ended", "others"),
    [
        ("of no table", 20_000, 4_000),
        ("of empty tables", 20_000, 4_000),
        pytest.param("of no table", 1_000_000, 100_000, marks=pytest.mark.slow),
        pytest.param("of empty tables", 200_000, 20_000, marks=pytest.mark.slow),
    ],
)
def test_what_a_hot_verb_reads_does_not_grow(
    engines: Callable[[], Engine], statistics: str, ended: int, others: int
) -> None:
    """Rules 25, 26, 70: no table or index is read from end to end, be plans made before or after."""
    old = engines()
    crowd.define(old)
    if statistics == "of empty tables":
        old.rows("analyze")
    crowd.fill(old, *FEW)
    old.at(1000)
    few = costs(old)

    crowd.fill(old, ended, others)
    hold(old, engines, few)
    assert ended > 100_000 or old.violations() == []


@pytest.mark.parametrize("flow", ["one", "items"])
def test_the_reports_of_a_batch_look_at_their_own_rows_alone(
    engines: Callable[[], Engine], flow: str
) -> None:
    """Rules 25, 26: also by a plan that was made when a table that had been vacuumed empty held one batch."""
    engine = engines()
    crowd.define(engine)
    engine.rows("vacuum (analyze)")

    def fetched() -> int:
        reports = Jsonb([complete_report(task) for task in engine.claim(100)])
        return crowd.rows_fetched(engine, lambda: engine.rows(EXCHANGE, reports, 0))

    def start(tasks: int) -> None:
        if flow == "one":
            engine.rows("select pgflow.run_flows('one', array_fill('{}'::jsonb, array[%s]))", tasks)
        else:
            engine.run(flow, list(range(tasks)))

    start(200)
    few = fetched()
    fetched()
    start(2000)
    assert [fetched(), fetched()] == [few, few]


def test_a_claim_looks_at_the_dependencies_of_its_task_alone(engines: Callable[[], Engine]) -> None:
    """Rules 25, 26: not at the thousand other steps of a wide run."""
    engine = engines()
    parts = [f"part_{number}" for number in range(1000)]
    engine.define("wide", step("load"), *(step(part, "load") for part in parts), step("collect", *parts))
    engine.run("wide")
    engine.complete(engine.take("load"), 1)
    for task in engine.claim(150):
        engine.complete(task, 1)
    (inputs,) = {json.dumps(task.input) for task in engine.claim(2)}
    assert inputs == '{"load": 1}'
    assert crowd.rows_fetched(engine, lambda: engine.claim(1)) < 10


@pytest.mark.parametrize("flows", [500, pytest.param(5_000, marks=pytest.mark.slow)])
def test_what_a_hot_verb_reads_does_not_grow_with_the_definitions(
    engines: Callable[[], Engine], flows: int
) -> None:
    """Rule 25: flows of twenty steps, of which only ours is ever run."""
    old = engines()
    crowd.define(old)
    crowd.fill(old, *FEW)
    old.at(1000)
    few = costs(old)
    crowd.define_many(old, flows)
    hold(old, engines, few)


def hold(old: Engine, engines: Callable[[], Engine], few: dict[str, int]) -> None:
    """Compare what the verbs read now with what they read before, in sessions old and new."""
    allowed = {name: count * 1.5 + 60 for name, count in few.items()}

    def check(made: str, engine: Engine) -> None:
        found = {name: count for name, count in costs(engine).items() if count > allowed[name]}
        assert found == {}, f"plans made {made}; blocks read where there were few: {few}"
        assert scans(engine) == {}, f"plans made {made}"

    check("before the crowd", old)
    check("after the crowd", engines())
    old.rows("analyze")
    check("with statistics", engines())
