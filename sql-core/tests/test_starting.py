"""Starting runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from .support.definitions import chain, map_step, step
from .support.engine import EPOCH, Engine, refused
from .support.sessions import meanwhile, together, until_blocked


@pytest.fixture
def one(engine: Engine) -> Engine:
    """An engine that knows the flow `one` of a single step `a`."""
    engine.define("one", step("a"))
    return engine


def poll(engine: Engine) -> list[str]:
    """Claim once, and once more if nothing came: "visible at most one poll later"."""
    lease = 10_000.0
    return [task.step_slug for task in engine.claim(10, lease=lease) or engine.claim(10, lease=lease)]


def test_run_flow_returns_one_run_row(one: Engine) -> None:
    """Rule 11: run_id, status, version, created."""
    started = one.start("one", {"x": 1})
    assert isinstance(started.run_id, UUID)
    assert started[1:] == ("running", 1, True)
    stored = one.stored_run(started.run_id)
    assert (stored.flow_slug, stored.flow_version, stored.status) == ("one", 1, "running")
    assert (stored.input, stored.output, stored.error) == ({"x": 1}, None, None)
    assert stored.finished_at is None


def test_an_unknown_flow_or_version_is_named(one: Engine) -> None:
    """Rule 11: PF002 naming it."""
    with refused("PF002", "nowhere"):
        one.run("nowhere")
    with refused("PF002", "one", "7"):
        one.run("one", flow_version=7)
    with refused("PF002", "nowhere"):
        one.run_many("nowhere", [1])
    with refused("PF002", "one", "7"):
        one.run_many("one", [1], flow_version=7)


def test_null_arguments_never_start_anything(one: Engine) -> None:
    """Rule 11: no flow is called null."""
    with refused("PF002"):
        one.run(None)  # type: ignore[arg-type]
    assert not one.rows("select 1 from pgflow.runs")


def test_sql_null_input_is_json_null(one: Engine) -> None:
    """DESIGN 3: SQL NULL given as input means JSON null."""
    run_id = one.value("select run_id from pgflow.run_flow('one', null)")
    assert one.value("select input::text from pgflow.runs where run_id = %s", run_id) == "null"


def test_all_step_states_exist_at_once_and_only_roots_start(engine: Engine) -> None:
    """Rule 12: a dependent's started_at is null."""
    engine.define(
        "f", step("a"), map_step("r", "run"), step("b", "a"), map_step("m", "a"), step("c", "b", "m")
    )
    run_id = engine.run("f", [1, 2])
    assert engine.steps(run_id) == {
        "a": "running", "r": "running", "b": "pending", "m": "pending", "c": "pending",
    }  # fmt: skip
    found = engine.rows(
        "select step_slug from pgflow.step_states where started_at is null and run_id = %s", run_id
    )
    assert {row[0] for row in found} == {"b", "m", "c"}
    assert {(t.step_slug, t.task_index, t.status) for t in engine.tasks(run_id)} == {
        ("a", 0, "queued"), ("r", 0, "queued"), ("r", 1, "queued"),
    }  # fmt: skip


def test_the_callers_run_id_is_used_and_starts_once(one: Engine) -> None:
    """Rule 13: the same id, flow and input returns the existing run."""
    run_id = uuid4()
    assert one.start("one", {"x": 1, "y": 2}, run_id=run_id)[:] == (run_id, "running", 1, True)
    assert one.start("one", {"y": 2, "x": 1}, run_id=run_id)[:] == (run_id, "running", 1, False)
    one.work_off()
    assert one.start("one", {"x": 1, "y": 2}, run_id=run_id)[:] == (run_id, "completed", 1, False)
    assert len(one.tasks(run_id)) == 1


def test_the_same_run_id_with_other_content_is_a_conflict(one: Engine) -> None:
    """Rule 13: PF004, nothing changed."""
    one.define("two", step("a"))
    run_id = one.run("one", {"x": 1})
    with refused("PF004", str(run_id)):
        one.run("one", {"x": 2}, run_id=run_id)
    with refused("PF004", str(run_id)):
        one.run("two", {"x": 1}, run_id=run_id)
    assert one.value("select count(*) from pgflow.runs") == 1


def test_an_idempotency_key_returns_the_first_run(one: Engine) -> None:
    """Rule 13: created=false, nothing started, whatever the input; also after the end."""
    first = one.start("one", {"x": 1}, idempotency_key="k")
    assert one.start("one", {"x": 2}, idempotency_key="k")[:] == (first.run_id, "running", 1, False)
    one.work_off()
    assert one.start("one", idempotency_key="k")[:] == (first.run_id, "completed", 1, False)
    assert one.value("select count(*) from pgflow.runs") == 1
    assert one.stored_run(first.run_id).input == {"x": 1}
    assert one.stored_run(first.run_id).idempotency_key == "k"


def test_an_idempotency_key_counts_per_flow(one: Engine) -> None:
    """DESIGN 3.3: unique per flow_slug, across versions."""
    one.define("two", step("a"))
    first = one.run("one", idempotency_key="k")
    assert one.run("two", idempotency_key="k") != first
    one.define("one", step("a"), step("b"))
    assert one.run("one", idempotency_key="k") == first
    assert one.run("one", idempotency_key="") != one.run("one", idempotency_key=None)


@pytest.mark.parametrize("argument", ["run_id", "idempotency_key"])
def test_twenty_concurrent_callers_start_one_run(
    one: Engine, open_engine: Callable[[], Engine], argument: str
) -> None:
    """Rule 13: under 20 concurrent callers too."""
    sessions = [open_engine() for _ in range(20)]
    for again in range(5):
        identity = uuid4() if argument == "run_id" else f"k{again}"
        started = together(
            *(partial(session.start, "one", {"x": again}, **{argument: identity}) for session in sessions)
        )
        assert len({row.run_id for row in started}) == 1
        assert [row.created for row in started].count(True) == 1
    assert one.value("select count(*) from pgflow.runs") == 5
    assert len(one.claim(100)) == 5


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_an_idempotent_start_waits_for_the_transaction_that_was_first(
    one: Engine, open_engine: Callable[[], Engine], end: str
) -> None:
    """Rule 13: if the first start rolls back, the second one is the first."""
    other = open_engine()
    for argument, identity in (("idempotency_key", "k"), ("run_id", uuid4())):
        one.rows("begin")
        first = one.run("one", **{argument: identity})
        with meanwhile(partial(other.start, "one", **{argument: identity})) as second:
            until_blocked(one, other)
            one.rows(end)
        started = second.result()
        assert started.created == (end == "rollback")
        assert (started.run_id == first) == (end == "commit" or argument == "run_id")
    assert one.value("select count(*) from pgflow.runs") == 2


def test_a_root_map_refuses_an_input_that_is_no_array(engine: Engine) -> None:
    """Rule 14: PF008 naming the type, by either verb; nothing is started."""
    engine.define("f", step("a"), map_step("m", "run"))
    for value, name in (({}, "object"), (None, "null"), ("x", "string"), (3, "number"), (True, "boolean")):
        with refused("PF008", name):
            engine.run("f", value)
        with refused("PF008", name):
            engine.run_many("f", [[1], value])
    assert not engine.rows("select 1 from pgflow.runs")
    assert not engine.claim(10)


def test_a_root_map_over_nothing_completes_at_once(engine: Engine) -> None:
    """Rule 14: output `[]`, no task, dependents start, all in run_flow."""
    engine.define("f", map_step("m", "run"), map_step("n", "m"), step("end", "n"))
    run_id = engine.run("f", [])
    assert engine.steps(run_id) == {"m": "completed", "n": "completed", "end": "running"}
    assert engine.step(run_id, "m").output == []
    assert not engine.tasks(run_id, "m")
    assert engine.take("end").input == {"n": []}


def test_a_flow_of_empty_maps_ends_in_run_flow(engine: Engine) -> None:
    """Rule 14: the row returned says so."""
    engine.define("f", map_step("m", "run"))
    started = engine.start("f", [])
    assert started.status == "completed"
    assert engine.stored_run(started.run_id).output == {"m": []}


def test_a_root_map_has_one_task_for_each_item(engine: Engine) -> None:
    """Rule 15: nulls, nested arrays and duplicates each count one, at their index."""
    items = [1, 1, None, [1, [2]], [], {}, "", None]
    engine.define("f", map_step("m", "run"))
    run_id = engine.run("f", items)
    assert [(t.task_index, t.input) for t in engine.tasks(run_id)] == list(enumerate(items))
    assert engine.step(run_id, "m").task_count == len(items)


def test_start_at_hides_every_task_until_then(engine: Engine) -> None:
    """Rule 16: start_at."""
    engine.define("f", *chain("a", "b"), timeout=10_000)
    now = engine.at(0)
    engine.run("f", start_at=EPOCH.replace(minute=10))
    engine.run("f", start_at=now)
    assert poll(engine) == ["a"]
    engine.at(599)
    assert poll(engine) == []
    engine.at(600.001)
    assert poll(engine) == ["a"]


def test_start_delay_hides_the_first_attempt_of_a_step(engine: Engine) -> None:
    """Rule 16: start_delay, counted from when the step starts."""
    engine.define("f", step("a", start_delay=60), step("b", "a", start_delay=30))
    engine.at(0)
    engine.run("f")
    assert poll(engine) == []
    engine.at(61)
    engine.complete(engine.take("a"))
    assert poll(engine) == []
    engine.at(90)
    assert poll(engine) == []
    engine.at(92)
    assert poll(engine) == ["b"]


def test_a_delayed_map_is_hidden_item_by_item(engine: Engine) -> None:
    """Rule 16: map items too."""
    engine.define("f", map_step("m", "run", start_delay=5))
    engine.at(0)
    engine.run("f", [1, 2, 3])
    assert poll(engine) == []
    engine.at(6)
    assert poll(engine) == ["m"] * 3


def test_the_run_commits_with_the_callers_transaction(one: Engine, open_engine: Callable[[], Engine]) -> None:
    """Rule 17: or not at all."""
    other = open_engine()
    with one.transaction():
        run_id = one.run("one")
        assert not other.claim(10)
        assert not other.rows("select 1 from pgflow.runs")
    assert [task.run_id for task in other.claim(10)] == [run_id]
    with one.connection.transaction(force_rollback=True):
        one.run("one")
    assert not other.claim(10)
    assert other.value("select count(*) from pgflow.runs") == 1


def test_ten_thousand_inputs_start_in_one_call(one: Engine) -> None:
    """Rule 18: set-based; each input its run, in order."""
    started = one.run_many("one", list(range(10_000)), tags=Jsonb({"batch": "b"}), priority=7)
    assert len({row.run_id for row in started}) == 10_000
    assert all(row.created for row in started)
    first = started[0].ordinal
    assert [row.ordinal for row in started] == list(range(first, first + 10_000))
    inputs = {row.run_id: row.input for row in one.rows("select run_id, input from pgflow.runs")}
    assert [inputs[row.run_id] for row in started] == list(range(10_000))
    assert one.value("select count(*) from pgflow.step_tasks where status = 'queued'") == 10_000
    assert (
        one.value('select count(*) from pgflow.runs where priority = 7 and tags = \'{"batch": "b"}\'')
        == 10_000
    )


@pytest.mark.parametrize("inputs", [1, 300])
def test_a_batch_of_starts_is_one_statement_a_table(engine: Engine, inputs: int) -> None:
    """Rule 18: set-based: as many statements for one input as for hundreds."""
    engine.define("f", step("a"), step("b", "a"), step("c", required_input={"run": {"x": 1}}))
    engine.rows("create table public.statements (table_name text)")
    engine.rows(
        """create function public.note() returns trigger language plpgsql security definer as
           $$ begin insert into public.statements values (tg_table_name); return null; end $$"""
    )
    for table in ("runs", "run_steps", "ready_tasks"):
        engine.rows(f"create trigger note after insert on pgflow.{table} execute function public.note()")
    assert len(engine.run_many("f", [{"x": 1}] * inputs)) == inputs
    found = Counter(row.table_name for row in engine.rows("select table_name from public.statements"))
    assert found == {"runs": 1, "run_steps": 1, "ready_tasks": 2}


def test_run_flows_uses_each_key_once(one: Engine) -> None:
    """Rule 13: in a batch too: against earlier runs and within the batch."""
    first = one.run("one", 0, idempotency_key="old")
    keys = ["old", "new", None, "new", None]
    started = one.run_many("one", [1, 2, 3, 4, 5], idempotency_keys=keys)
    assert [row.created for row in started] == [False, True, True, False, True]
    assert started[0].run_id == first
    assert started[1].run_id == started[3].run_id
    assert one.value("select count(*) from pgflow.runs") == 4


def test_run_flows_of_nothing_starts_nothing(one: Engine) -> None:
    """Rule 18: an empty batch is no error."""
    assert one.rows("select * from pgflow.run_flows('one', '{}')") == []


def test_run_flows_refuses_keys_that_do_not_match_the_inputs(one: Engine) -> None:
    """Rule 18: all or nothing, and as many keys as inputs."""
    with refused("PF008", "idempotency_keys"):
        one.run_many("one", [1, 2], idempotency_keys=["a"])
    assert not one.rows("select 1 from pgflow.runs")


def test_what_the_caller_says_is_stored(one: Engine) -> None:
    """DESIGN 3.1: priority, tags, owner, times."""
    run_id = one.run("one", {}, priority=-5, tags=Jsonb({"tenant": "t"}))
    stored = one.stored_run(run_id)
    assert (stored.priority, stored.tags) == (-5, {"tenant": "t"})
    assert stored.owner == one.value("select session_user::text")
    assert stored.created_at is not None


def test_a_priority_out_of_range_is_refused(one: Engine) -> None:
    """DESIGN 3.2: priorities are -100..100, by either verb."""
    for priority in (101, -101):
        with refused("PF008", "priority"):
            one.run("one", priority=priority)
        with refused("PF008", "priority"):
            one.run_many("one", [1], priority=priority)
