"""What prune_runs and delete_flow remove, and what they never touch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from .support.definitions import map_step, step
from .support.engine import EPOCH, Engine, complete_report, reference, refused
from .support.explained import rows_looked_at
from .test_cost import reads, settle
from .test_live_logs import beat as write
from .test_progress import beat

DAY = 86_400


def prune(engine: Engine, days: float, limit: int = 1000) -> int:
    return int(engine.value("select pgflow.prune_runs(%s, %s)", timedelta(days=days), limit))


def rows_of(engine: Engine) -> dict[str, int]:
    """Return how many rows each table has."""
    tables = engine.rows("select tablename from pg_tables where schemaname = 'pgflow' order by 1")
    return {name: engine.value(f"select count(*) from pgflow.{name}") for (name,) in tables}


def rows_naming(engine: Engine, run_id: UUID) -> dict[str, int]:
    """Return how many rows of each table say the run's id anywhere."""
    tables = engine.rows("select tablename from pg_tables where schemaname = 'pgflow'")
    query = "select count(*) from pgflow.{} t where t::text like %s"
    found = {name: engine.value(query.format(name), f"%{run_id}%") for (name,) in tables}
    return {name: count for name, count in found.items() if count}


def busy_run(engine: Engine) -> UUID:
    """Return a run that left rows everywhere, then ended by failing."""
    run_id = engine.run("f", [1, 2, 3])
    tasks = engine.take_all()
    engine.release(tasks["m[1]"], delay=5)
    engine.complete(tasks["m[0]"])
    engine.fail(tasks["a"])
    engine.fail(tasks["m[2]"], retryable=False)
    return run_id


def define(engine: Engine) -> None:
    engine.define("f", map_step("m", "run"), step("a"), step("late", start_delay=500), step("end", "a", "m"))
    engine.define("g", step("a"), step("b", "a"))


def test_prune_removes_ended_runs_older_than_the_cutoff(engine: Engine) -> None:
    """Rule 64: with all their rows; by when they ended, not when they started."""
    define(engine)
    engine.at(0)
    old = busy_run(engine)
    long = engine.run("g")
    engine.at(5 * DAY)
    engine.work_off()
    assert engine.status(long) == "completed"
    young = busy_run(engine)
    live = engine.run("f", [1])
    engine.at(8 * DAY)
    assert prune(engine, 7) == 1
    kept = {row[0] for row in engine.rows("select run_id from pgflow.runs")}
    assert kept == {long, young, live}
    assert rows_naming(engine, old) == {}
    assert prune(engine, 7) == 0


def test_nothing_is_left_of_a_run_in_any_table(engine: Engine) -> None:
    """Rule 64: of one that has a row in every table that names runs, but for the two of paused ones."""
    engine.define("f", map_step("m", "run"), step("a"), step("late", start_delay=500), step("end", "a", "m"))
    engine.at(0)
    run_id = engine.run("f", [1, 2, 3])
    tasks = engine.take_all()
    beat(engine, tasks["m[1]"], {"done": 1})
    write(engine, tasks["m[1]"], "so far\n", 7)
    engine.report([complete_report(tasks["a"]) | {"log_tail": "words"}])
    engine.complete(tasks["m[0]"])
    engine.cancel(run_id)
    engine.retry(run_id, "a")
    engine.launches(
        *(
            reference(task) | {"outcome": "accepted", "external_id": "far"}
            for task in engine.claim(1, mode="launch")
        )
    )
    tables = {
        row.table_name
        for row in engine.rows(
            """select distinct c.table_name from information_schema.columns c
               join pg_tables t on t.schemaname = c.table_schema and t.tablename = c.table_name
               where c.table_schema = 'pgflow' and c.column_name in ('run_id', 'run_ids')"""
        )
    }
    assert tables - {"paused_runs", "parked_tasks"} <= rows_naming(engine, run_id).keys()
    engine.cancel(run_id)
    engine.at(8 * DAY)
    assert prune(engine, 7) == 1
    assert rows_naming(engine, run_id) == {}


def test_prune_never_removes_a_running_run(engine: Engine) -> None:
    """Rule 64: however old; a paused one neither."""
    define(engine)
    engine.at(0)
    live, paused = engine.run("f", [1]), engine.run("g")
    engine.rows("select pgflow.pause_run(%s)", paused)
    before = (engine.stored_run(live), engine.tasks(live), engine.stored_run(paused))
    engine.at(1000 * DAY)
    assert prune(engine, 1) == 0
    assert (engine.stored_run(live), engine.tasks(live), engine.stored_run(paused)) == before


def test_prune_is_bounded(engine: Engine) -> None:
    """Rule 64: at most so many runs a call, oldest first."""
    define(engine)
    engine.at(0)
    started = engine.run_many("g", list(range(10)))
    for row in started:
        engine.wait(1)
        engine.cancel(row.run_id)
    engine.wait(DAY * 2)
    assert [prune(engine, 1, 4) for _ in range(4)] == [4, 4, 2, 0]


def test_prune_removes_what_its_idempotency_key_named(engine: Engine) -> None:
    """DESIGN 3.3: the key is unique while its run row exists."""
    define(engine)
    engine.at(0)
    first = engine.run("g", idempotency_key="k")
    engine.cancel(first)
    engine.at(2 * DAY)
    assert prune(engine, 1) == 1
    again = engine.start("g", idempotency_key="k")
    assert again.created
    assert again.run_id != first


def id_of(seconds: float, number: int) -> UUID:
    """Return a run id that is ordered as one made at this second."""
    return UUID(int=int((EPOCH.timestamp() + seconds) * 1000) << 80 | 7 << 76 | number)


def test_runs_are_kept_for_ever_unless_an_operator_says_how_long(engine: Engine) -> None:
    """Rule 64: then maintain() prunes them, whatever their ids: in order, ahead, or far behind."""
    engine.define("f", step("a"))
    engine.at(0)
    ids = [id_of(0, 1), id_of(-9 * DAY, 2), id_of(3.5 * DAY, 3), id_of(400 * DAY, 4), UUID(int=2**128 - 1)]
    for run_id in ids:
        engine.run("f", run_id=run_id)
    engine.work_off()
    engine.at(3 * DAY)
    young = engine.run("f", run_id=id_of(3 * DAY, 5))
    live = engine.run("f", run_id=id_of(0, 6))
    engine.cancel(young)
    engine.at(4 * DAY)
    assert engine.value("select pgflow.maintain()")["pruned"] == 0
    engine.rows("select pgflow.set_retention('2 days')")
    assert engine.value("select pgflow.maintain()")["pruned"] == 5
    assert engine.value("select pgflow.maintain()")["pruned"] == 0
    assert {row.run_id for row in engine.rows("select run_id from pgflow.runs")} == {young, live}
    engine.rows("select pgflow.set_retention(null)")
    engine.at(400 * DAY)
    assert engine.value("select pgflow.maintain()")["pruned"] == 0
    for bad in ("-1 day", "2000 years"):
        with refused("PF008", "keep"):
            engine.rows("select pgflow.set_retention(%s)", bad)


def test_a_pass_deletes_a_bounded_portion_and_says_whether_there_may_be_more(engine: Engine) -> None:
    """Rule 70: who wants them all gone calls again."""
    engine.define("f", step("a"))
    engine.at(0)
    engine.run_many("f", [1] * 1001)
    engine.work_off()
    engine.at(2 * DAY)
    engine.rows("select pgflow.set_retention('1 day')")
    passes = [engine.value("select pgflow.maintain()") for _ in range(4)]
    assert [(done["pruned"], done["more"]) for done in passes] == [
        (500, True),
        (500, True),
        (1, False),
        (0, False),
    ]


def test_pruning_reads_neither_young_runs_nor_what_is_ready(engine: Engine) -> None:
    """Rule 70: by maintain() as by hand, when nothing is old enough."""
    engine.define("f", step("a"))
    engine.run_many("f", list(range(2000)))
    engine.run("f", run_id=UUID(int=2**128 - 1))
    engine.work_off()
    engine.run_many("f", list(range(2000)))
    engine.rows("select pgflow.set_retention('1 day')")
    settle(engine)
    engine.maintain()
    assert reads(engine, engine.maintain) < 60
    assert reads(engine, lambda: prune(engine, 1)) < 60


def test_deleted_runs_are_not_compared_with_every_timer(engine: Engine) -> None:
    """Rule 64: what is under way makes it no dearer, even called by maintain(), which forbids hash joins."""
    engine.define("f", step("a"))
    engine.run_many("f", [1] * 500)
    for _ in range(100):
        assert len(engine.claim(5, lease=1000)) == 5
    ids = f"'{{{', '.join(str(UUID(int=number)) for number in range(500))}}}'"
    maintain = {
        "plan_cache_mode": "force_generic_plan",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "enable_bitmapscan": "off",
        "enable_seqscan": "off",
    }
    assert rows_looked_at(engine, "_delete_runs", "run_ids", ids, maintain) < 10 * (500 + 500 + 100)


def test_delete_flow_refuses_while_runs_exist(engine: Engine) -> None:
    """Rule 10: ended ones count; PF005 naming the flow."""
    define(engine)
    run_id = engine.run("g")
    engine.cancel(run_id)
    before = rows_of(engine)
    with refused("PF005", "g"):
        engine.rows("select pgflow.delete_flow('g', false)")
    assert rows_of(engine) == before


def test_delete_flow_without_runs_needs_no_force(engine: Engine) -> None:
    """Rule 10: all versions go, and the slug starts over at version 1."""
    define(engine)
    engine.define("g", step("x"))
    before = rows_of(engine)
    engine.rows("select pgflow.delete_flow('g', false)")
    after = rows_of(engine)
    assert before["flows"] - after["flows"] == 2
    assert {row[0] for row in engine.rows("select flow_slug from pgflow.steps")} == {"f"}
    assert engine.define("g", step("x")).flow_version == 1


def test_a_forced_delete_removes_exactly_that_flows_rows(engine: Engine) -> None:
    """Rule 10: live and ended runs, in every table; the other flow's rows as they were."""
    define(engine)
    engine.at(0)
    keep = [busy_run(engine), engine.run("f", [1, 2])]
    before = everything(engine)
    engine.define("h", step("a", executor="only_h"), map_step("m", "run"))
    gone = [engine.run("h", [1, 2, 3]) for _ in range(2)]
    engine.take_all(executor="only_h")
    engine.cancel(gone[0])
    engine.rows("select pgflow.delete_flow('h', true)")
    for run_id in gone:
        assert rows_naming(engine, run_id) == {}
    assert everything(engine) == before
    assert all(rows_naming(engine, run_id) for run_id in keep)


def everything(engine: Engine) -> dict[str, list[Any]]:
    """Return what the read contract shows."""
    names = ("flows", "steps", "deps", "runs", "step_states", "step_tasks", "step_task_attempts")
    return {name: sorted(map(str, engine.rows(f"select * from pgflow.{name}"))) for name in names}


def test_an_unknown_flow_cannot_be_deleted(engine: Engine) -> None:
    """Rule 10: PF002 naming it."""
    with refused("PF002", "nowhere"):
        engine.rows("select pgflow.delete_flow('nowhere', true)")


def test_tasks_of_a_deleted_flow_are_never_claimed(engine: Engine) -> None:
    """Rule 10: nor reported; PF003."""
    define(engine)
    engine.run("g")
    task = engine.take()
    engine.run("g")
    engine.rows("select pgflow.delete_flow('g', true)")
    assert engine.claim(10) == []
    with refused("PF003"):
        engine.complete(task)
    engine.maintain()
