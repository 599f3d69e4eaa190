"""What is too large is refused, cut or fails its own task; nothing else suffers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .support.definitions import Json, map_step, step
from .support.engine import Engine, complete_report, fail_report, refused

_SCHEMA = Path(__file__).parents[1] / "schema"

_PAGE = _SCHEMA.parents[1] / "docs/reference/limits.md"

MEGABYTE = 1_000_000


@pytest.fixture
def tight(engine: Engine) -> Engine:
    """An engine whose limits for values are a 4096th: an output has 4 KiB, a task input 32 KiB."""
    engine.rows("alter function pgflow._limit(text) rename to _real_limit")
    engine.rows(
        """create function pgflow._limit(name text) returns bigint language sql immutable as $$
             select case when name in ('run_input', 'task_output', 'map_output', 'task_input', 'run_output')
               then pgflow._real_limit(name) / 4096 when name = 'map_items' then 20
               else pgflow._real_limit(name) end $$"""
    )
    return engine


def text(size: int) -> str:
    return "x" * size


def test_every_limit_that_is_asked_for_exists(engine: Engine) -> None:
    """An unknown name would be null, and no limit at all."""
    named = {
        name for path in _SCHEMA.glob("*.sql") for name in re.findall(r"_limit\('(\w+)'\)", path.read_text())
    }
    assert len(named) > 10
    known = engine.rows("select n, pgflow._limit(n) as size from unnest(%s::text[]) n", sorted(named))
    assert [row.n for row in known if not row.size] == []


def test_the_page_of_limits_says_the_limits() -> None:
    """By the same names, in units for people."""
    units = {"KiB": 1024, "MiB": 1024**2}
    page = re.findall(r"^\| `(\w+)` \| ([\d,]+) (\w+)", _PAGE.read_text(), re.MULTILINE)
    shown = {name: int(number.replace(",", "")) * units.get(unit, 1) for name, number, unit in page}
    function = (_SCHEMA / "0105_limit.sql").read_text()
    limits = {name: int(size) for name, size in re.findall(r"when '(\w+)' then (\d+)", function)}
    assert shown == limits


def test_a_task_input_of_every_greatest_part_fits_into_jsonb(engine: Engine) -> None:
    """268,435,455 bytes is what PostgreSQL takes for one value."""
    total = engine.value(
        "select pgflow._limit('task_input') + pgflow._limit('run_input') + pgflow._limit('task_output')"
    )
    assert total < 268_435_455
    assert engine.value("select pgflow._limit('run_output') + pgflow._limit('run_input') "
                        "+ pgflow._limit('map_output')") < 268_435_455  # fmt: skip


def test_a_run_input_that_is_too_large_is_refused(engine: Engine) -> None:
    engine.define("f", step("a"))
    with refused("PF007", "input 1", "bytes", "16777216", "reference"):
        engine.start("f", text(17 * MEGABYTE))
    with refused("PF007", "input 2", "16777216"):
        engine.run_many("f", ["small", text(17 * MEGABYTE)])
    engine.rows("create table kept as select to_jsonb(repeat('x', 17000000)) as input")
    with refused("PF007", "input 1", "170000"):  # compressed where it is stored
        engine.rows("select pgflow.run_flow('f', k.input) from kept k", role="none")
    assert engine.value("select count(*) from pgflow.runs") == 0
    engine.start("f", text(16 * MEGABYTE))


@pytest.mark.parametrize("batch", [False, True])
def test_an_output_that_is_too_large_fails_its_task_for_good(engine: Engine, batch: bool) -> None:
    """One report cannot fail another."""
    engine.define("f", step("a"))
    runs = [engine.run("f"), engine.run("f")]
    large, small = sorted(engine.claim(2), key=lambda task: task.run_id != runs[0])
    output = text(17 * MEGABYTE)
    if batch:
        assert engine.report([complete_report(large, output), complete_report(small, "y")]) == [
            *("failed", "completed")
        ]
    else:
        assert engine.complete(large, output) == "failed"
        assert engine.complete(large, output) == "duplicate"
        assert engine.complete(small, "y") == "completed"
    assert engine.status(runs[0]) == "failed"
    error = engine.stored_run(runs[0]).error
    assert (error["code"], error["step_slug"]) == ("OUTPUT_TOO_LARGE", "a")
    assert "17000" in error["message"]
    assert "16777216" in error["message"]
    assert engine.outcomes(runs[0], "a") == [(1, "failed")]


def test_an_input_that_joins_too_much_fails_its_step(tight: Engine) -> None:
    """It is seen when the step would start: the claims that would reach it go on."""
    names = [f"s{i}" for i in range(9)]
    tight.define("f", *(step(name) for name in names), step("join", *names), step("other"))
    tight.define("g", step("a"))
    run_id = tight.run("f")
    tasks = tight.take_all()
    reports = [complete_report(tasks[name], text(4000)) for name in names]
    assert tight.report(reports) == ["completed"] * 9
    after = tight.run("g")
    assert [task.run_id for task in tight.claim(10)] == [after]
    assert tight.steps(run_id) == dict.fromkeys(names, "completed") | {"join": "failed", "other": "cancelled"}
    error = tight.stored_run(run_id).error
    assert (error["code"], error["step_slug"]) == ("INPUT_TOO_LARGE", "join")
    assert tight.status(run_id) == "failed"


def test_an_input_that_joins_just_enough_is_served(tight: Engine) -> None:
    names = [f"s{i}" for i in range(9)]
    tight.define("f", *(step(name) for name in names), step("join", *names))
    tight.run("f")
    for task in tight.claim(10):
        tight.complete(task, text(3500))
    assert len(tight.take("join").input) == 9


def test_a_condition_over_too_much_fails_its_step(tight: Engine) -> None:
    """What a condition looks at is put together too."""
    names = [f"s{i}" for i in range(9)]
    condition = {"s0": ["x"]}
    tight.define("f", *(step(n) for n in names), map_step("m", "s0", *names[1:], required_input=condition))
    run_id = tight.run("f")
    for task in tight.claim(10):
        tight.complete(task, [text(4000)])
    assert tight.stored_run(run_id).error["code"] == "INPUT_TOO_LARGE"


def test_a_map_output_that_is_too_large_fails_the_map_step(tight: Engine) -> None:
    """Also where only readers and the run output need the array; the reports are answered completed."""
    for slug, consumers in (("f", [step("b", "m")]), ("g", []), ("h", [map_step("n", "m")])):
        tight.define(slug, map_step("m", "run"), *consumers)
        run_id = tight.run(slug, list(range(5)))
        statuses = tight.report(complete_report(task, text(4000)) for task in tight.claim(5))
        assert statuses == ["completed"] * 5
        assert tight.step(run_id, "m").status == "failed"
        error = tight.stored_run(run_id).error
        assert (error["code"], error["step_slug"]) == ("OUTPUT_TOO_LARGE", "m")
        assert tight.claim(10) == []
        assert tight.get_run(run_id)["status"] == "failed"


def test_a_map_output_is_measured_when_its_last_item_fails(tight: Engine) -> None:
    """A tolerated failure may be what completes the step."""
    tight.define("f", map_step("m", "run", max_failures=1, max_attempts=1))
    run_id = tight.run("f", list(range(6)))
    *others, last = tight.claim(6)
    tight.report(complete_report(task, text(4000)) for task in others)
    assert tight.fail(last) == "failed"
    assert tight.stored_run(run_id).error["code"] == "OUTPUT_TOO_LARGE"


@pytest.mark.parametrize("size", [3000, 4000])
def test_a_run_output_that_is_too_large_fails_the_run(tight: Engine, size: int) -> None:
    """Every step completed all the same; a smaller one of as many leaves is kept."""
    names = [f"s{i}" for i in range(8)]
    tight.define("f", *(step(name) for name in names), map_step("m", "s0"))
    run_id = tight.run("f")
    for task in tight.claim(8):
        tight.complete(task, [] if task.step_slug == "s0" else text(size))
    tight.define("g", *(step(name) for name in [*names, "s8"]))
    run_id = tight.run("g")
    for task in tight.claim(9):
        assert tight.complete(task, text(size)) == "completed"
    assert set(tight.steps(run_id).values()) == {"completed"}
    found = tight.stored_run(run_id)
    if size == 3000:
        assert found.status == "completed"
        assert found.output == dict.fromkeys([*names, "s8"], text(size))
    else:
        assert (found.status, found.output, found.error["code"]) == ("failed", None, "OUTPUT_TOO_LARGE")
        with refused("PF005", "nothing to retry", "Name a step"):
            tight.retry(run_id)
        assert tight.retry(run_id, "s8") == "retrying"
        tight.work_off()
        assert tight.status(run_id) == "completed"


def test_a_map_over_too_many_items_fails(tight: Engine) -> None:
    """PF007 where the run input is what is mapped over."""
    tight.define("f", map_step("m", "run"))
    with refused("PF007", "input 2", '"m"', "21 items", "20"):
        tight.run_many("f", [[1], list(range(21))])
    tight.run("f", list(range(20)))
    tight.work_off()
    tight.define("g", step("a"), map_step("m", "a"))
    run_id = tight.run("g")
    assert tight.complete(tight.take("a"), list(range(21))) == "completed"
    error = tight.stored_run(run_id).error
    assert (error["code"], error["step_slug"]) == ("TOO_MANY_ITEMS", "m")
    assert "21 items" in error["message"]


def test_a_run_is_shown_without_outputs_that_are_too_many(tight: Engine) -> None:
    """get_run answers with one value, which has a limit too."""
    names = [f"s{i}" for i in range(6)]
    tight.define("f", *(step(name) for name in names), step("end", *names))
    run_id = tight.run("f")
    tasks = tight.claim(6)
    for task in tasks[:3]:
        tight.complete(task, text(4000))
    assert not tight.get_run(run_id)["outputs_left_out"]
    for task in tasks[3:]:
        tight.complete(task, text(4000))
    shown = tight.get_run(run_id)
    assert shown["outputs_left_out"]
    assert {found["output"] for found in shown["steps"]} == {None}


LARGE_ERROR: Json = {
    "code": "MINE",
    "type": "t" * 3000,
    "message": "m" * 300_000,
    "traceback": "start" + "t" * 300_000 + "end",
    "details": list(range(1000)),
}


def test_an_error_that_is_too_large_is_cut(engine: Engine) -> None:
    engine.define("f", step("a", max_attempts=1))
    run_id = engine.run("f")
    assert engine.fail(engine.take("a"), LARGE_ERROR) == "failed"
    error = engine.stored_run(run_id).error
    assert error["code"] == "MINE"
    assert error["message"].startswith("mmm")
    assert error["message"].endswith("[cut, of 300000 characters]")
    assert error["traceback"].startswith("[cut, of 300008 characters]")
    assert error["traceback"].endswith("end")
    assert error["truncated"] is True
    assert error["step_slug"] == "a"
    assert engine.value("select pg_column_size(error || '{}') from pgflow.runs") < 65_536
    assert engine.attempts(run_id, "a")[0].error == error


def test_an_error_keeps_the_nulls_inside_it(engine: Engine) -> None:
    """Only its own keys that are null say nothing."""
    engine.define("f", step("a", max_attempts=1))
    run_id = engine.run("f")
    engine.fail(engine.take("a"), {"message": "no", "type": None, "details": {"row": [None, {"x": None}]}})
    error = engine.stored_run(run_id).error
    assert error["details"] == {"row": [None, {"x": None}]}
    assert "type" not in error


def test_a_log_that_is_too_long_keeps_its_end(engine: Engine) -> None:
    engine.define("f", step("a", max_attempts=1))
    for made in (complete_report, fail_report):
        run_id = engine.run("f")
        engine.report([made(engine.take("a")) | {"log_tail": "start" + "é" * 70_000 + "end"}])
        log = engine.value("select log_tail from pgflow.task_logs where run_id = %s", run_id)
        assert log.startswith("[cut, of 70008 characters]\n")
        assert log.endswith("éend")
        assert len(log) < 66_000


LONG = "é" * 501


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        ("run_flow('f', idempotency_key => %s)", "idempotency_key"),
        ("run_flows('f', array['{}'::jsonb], idempotency_keys => array[%s])", "idempotency_key"),
        ("claim_step_tasks('local', %s, 1)", "worker_id"),
        ("exchange_step_tasks('[]', 'local', %s, 1)", "worker_id"),
        ("start_step_task(gen_random_uuid(), 'a', 0, gen_random_uuid(), %s)", "instance_id"),
    ],
)
def test_a_name_that_is_too_long_is_refused(engine: Engine, call: str, argument: str) -> None:
    engine.define("f", step("a"))
    with refused("PF007", argument, "1002 bytes", "1000"):
        engine.rows(f"select * from pgflow.{call}", LONG)


def test_tags_that_are_too_large_are_refused(engine: Engine) -> None:
    engine.define("f", step("a"))
    with refused("PF007", "tags", "bytes", "16384"):
        engine.rows("""select pgflow.run_flow('f', tags => jsonb_build_object('x', repeat('y', 20000)))""")


def test_a_definition_that_is_too_large_is_refused(engine: Engine) -> None:
    with refused("PF007", "the definition", "bytes", "4194304"):
        engine.define("f", step("a", params={"x": {"const": text(5 * MEGABYTE)}}))
    with refused("PF007", '"f"', "10001 steps", "10000"):
        engine.define("f", *(step(f"s{i}") for i in range(10_001)))
