"""The one clock, and the passes that follow it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from .support.definitions import map_step, step
from .support.engine import EPOCH, Engine
from .support.sessions import together

LONG = {"max_attempts": 2, "timeout": 100_000}
READS = """select coalesce(sum(seq_tup_read), 0)::int + coalesce(sum(idx_tup_fetch), 0)::int
           from pg_stat_xact_user_tables where schemaname = 'pgflow'"""


def test_the_clock_is_the_faked_one_or_the_real_one(engine: Engine) -> None:
    """Rule 69: pgflow.fake_now, in the session that set it only."""
    assert (
        abs(
            (engine.value("select pgflow.clock()") - engine.value("select clock_timestamp()")).total_seconds()
        )
        < 5
    )
    assert engine.value("select pgflow.clock()") < engine.value("select pgflow.clock()")
    now = engine.at(5)
    assert engine.value("select pgflow.clock()") == now
    engine.rows("select set_config('pgflow.fake_now', '', false)")
    assert engine.value("select pgflow.clock()") != now


def test_the_clock_cannot_be_faked_by_another_role(engine: Engine, open_engine: Callable[[], Engine]) -> None:
    """DESIGN 3: only when session_user owns the schema."""
    stranger = open_engine()
    name = f"stranger_{engine.value('select pg_backend_pid()')}"
    engine.rows(f"create role {name}")
    try:
        engine.rows(f"grant usage on schema pgflow to {name}")
        engine.rows(f"grant execute on function pgflow.clock() to {name}")
        stranger.rows(f"set session authorization {name}")
        now = stranger.at(5)
        assert stranger.value("select pgflow.clock()") != now
    finally:
        stranger.connection.close()
        engine.rows(f"drop owned by {name}")
        engine.rows(f"drop role {name}")


def test_every_time_follows_the_clock(engine: Engine) -> None:
    """Rule 69: no stored timestamp comes from elsewhere."""
    engine.define("f", step("a", base_delay=3, jitter=0), map_step("m", "run"), step("c", "a", "m"))
    engine.at(0)
    engine.run("f", [1])
    tasks = engine.take_all()
    engine.fail(tasks["a"])
    engine.complete(tasks["m[0]"])
    engine.wait(10)
    engine.work_off()
    engine.run("f", [1])
    for table in ("runs", "step_states", "step_tasks", "step_task_attempts"):
        columns = engine.rows(
            """select column_name from information_schema.columns
               where table_schema = 'pgflow' and table_name = %s
               and data_type = 'timestamp with time zone'""",
            table,
        )
        assert columns
        for (column,) in columns:
            odd = f"select count(*) from pgflow.{table} where {column} not between %s and %s"
            assert engine.value(odd, EPOCH, EPOCH + timedelta(seconds=60)) == 0, f"{table}.{column}"


def test_next_wake_at_is_the_next_moment_of_work(engine: Engine) -> None:
    """DESIGN 3.3: delays, retries, leases; null when there is nothing to wait for."""
    assert engine.next_wake_at() is None
    engine.define("f", step("a", base_delay=500, jitter=0), step("x", executor="x"))
    now = engine.at(0)
    run_id = engine.run("f", start_at=EPOCH + timedelta(seconds=50))
    assert engine.next_wake_at("local") == now + timedelta(seconds=50)
    engine.at(51)
    assert engine.next_wake_at("local", "x") <= EPOCH + timedelta(seconds=51)
    task = (engine.claim(1, lease=20) or engine.claim(1, lease=20))[0]
    assert engine.next_wake_at("local") == EPOCH + timedelta(seconds=71)
    engine.fail(task)
    wake = engine.next_wake_at("local")
    assert wake is not None
    assert wake <= EPOCH + timedelta(seconds=551)
    engine.cancel(run_id)
    engine.at(5000)
    assert engine.claim(1) + engine.claim(1, executor="x") == []
    engine.at(10_000)
    engine.maintain(2)
    assert engine.next_wake_at("local", "x") is None


def test_polling_at_next_wake_at_alone_is_enough(engine: Engine) -> None:
    """DESIGN 3.4: a dispatcher that sleeps until then, and no longer, gets everything."""
    engine.define("f", step("a", base_delay=7, start_delay=11, max_attempts=4), step("b", "a", start_delay=5))
    engine.at(0)
    run_id = engine.run("f")
    turns = 0
    while engine.status(run_id) == "running":
        turns += 1
        assert turns < 40
        for task in engine.claim(10):
            if task.step_slug == "a" and task.attempt < 4:
                engine.fail(task)
            else:
                engine.complete(task)
        wake = engine.next_wake_at()
        if wake is not None:
            engine.at(max(engine.seconds, (wake - EPOCH).total_seconds()))
    assert engine.status(run_id) == "completed"


def test_maintain_is_safe_from_many_sessions_at_once(
    engine: Engine, open_engine: Callable[[], Engine]
) -> None:
    """Rule 70: try-locked; each loss is counted once."""
    engine.define("f", step("a", **LONG), map_step("m", "run", **LONG))
    engine.at(0)
    engine.run_many("f", [list(range(5))] * 20)
    assert len(engine.claim(500)) == 120
    sessions = [open_engine() for _ in range(4)]
    for session in sessions:
        session.at(1000)
    for _ in range(10):
        together(*(session.maintain for session in sessions))
    counted = engine.rows("select status, failures, count(*) from pgflow.step_tasks group by 1, 2")
    assert [tuple(row) for row in counted] == [("queued", 1, 120)]
    assert engine.value("select count(*) from pgflow.step_task_attempts where outcome = 'lost'") == 120


def test_maintain_and_claims_at_once_count_each_loss_once(
    engine: Engine, open_engine: Callable[[], Engine]
) -> None:
    """Rule 70: with claimers beside it."""
    engine.define("f", step("a", **LONG))
    engine.at(0)
    engine.run_many("f", list(range(200)))
    assert len(engine.claim(500)) == 200
    sessions = [open_engine() for _ in range(4)]
    for session in sessions:
        session.at(1000)
    claimed = []
    for _ in range(10):
        claimed += together(*(lambda s=s: s.claim(50) for s in sessions))
        together(*(session.maintain for session in sessions))
    tasks = [task for batch in claimed for task in batch]
    assert len({task.run_id for task in tasks}) == len(tasks) == 200
    assert {task.attempt for task in tasks} == {2}
    assert engine.value("select count(*) from pgflow.step_task_attempts where outcome = 'lost'") == 200


def test_maintain_is_bounded_and_finishes_in_the_end(engine: Engine) -> None:
    """Rule 70: a pass has a limit, passes repeat."""
    engine.define("f", step("a", max_attempts=1))
    engine.at(0)
    engine.run_many("f", list(range(3000)))
    while engine.claim(1000):
        pass
    engine.at(1000)
    for _ in range(100):
        engine.maintain()
        if not engine.value("select count(*) from pgflow.runs where status = 'running'"):
            break
    assert engine.value("select count(*) from pgflow.runs where status = 'failed'") == 3000


def test_maintain_reads_next_to_nothing_when_there_is_nothing_to_do(engine: Engine) -> None:
    """Rule 70: no sequential scan over runs, steps or tasks, live or ended."""
    engine.define("f", step("a", timeout=100_000), step("b", "a"))
    engine.at(0)
    engine.run_many("f", list(range(1000)))
    engine.work_off()
    engine.run_many("f", list(range(1000)))
    engine.claim(500, lease=5000)
    engine.at(60)
    engine.maintain(5)  # looks once at each batch that was claimed
    engine.at(120)
    with engine.transaction():
        before = engine.value(READS)
        engine.maintain()
        assert engine.value(READS) - before < 100


def test_maintain_says_what_it_did(engine: Engine) -> None:
    """DESIGN 3.3: a JSON object."""
    done = {"skipped": False, "timers": 0, "pruned": 0, "more": False}
    assert engine.value("select pgflow.maintain()") == done
