"""Lists of runs and the progress of one: what they show, and that they stay cheap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from .support.definitions import map_step, step
from .support.engine import Engine, reference


def listed(engine: Engine, **arguments: Any) -> tuple[list[UUID], UUID | None]:
    """List runs; the ids, and where to go on."""
    names = ", ".join(f'"{name}" => %s' for name in arguments)
    page = engine.value(f"select pgflow.list_runs({names})", *arguments.values())
    return [UUID(run["run_id"]) for run in page["runs"]], page["next"] and UUID(page["next"])


def many(engine: Engine, slug: str, count: int, **arguments: Any) -> list[UUID]:
    """Start runs, and return their ids as they are listed."""
    return sorted((row.run_id for row in engine.run_many(slug, [0] * count, **arguments)), reverse=True)


def test_runs_are_listed_newest_first_page_by_page(engine: Engine) -> None:
    engine.define("f", step("a"))
    runs = many(engine, "f", 7)
    seen: list[UUID] = []
    before = None
    while len(seen) < 7:
        page, before = listed(engine, limit=3, before=before)
        seen += page
    assert seen == runs
    assert before is None
    assert listed(engine, limit=7)[1] == runs[-1]
    assert listed(engine, before=runs[-1]) == ([], None)


def test_a_list_is_filtered_by_all_that_is_given(engine: Engine) -> None:
    engine.define("f", step("a"))
    engine.define("g", step("a"))
    plain = many(engine, "f", 2)
    tagged = many(engine, "g", 2, tags='{"day": "mon", "n": 1}')
    engine.cancel(tagged[0])
    assert listed(engine, flow_slug="f")[0] == plain
    assert listed(engine, tags='{"day": "mon"}')[0] == tagged
    assert listed(engine, tags='{"day": "mon"}', status="cancelled")[0] == tagged[:1]
    assert listed(engine, tags='{"day": "mon", "n": 2}')[0] == []
    owner = engine.value("select owner from pgflow.runs limit 1")
    assert len(listed(engine, owner=owner)[0]) == 4
    assert listed(engine, owner="nobody")[0] == []


def test_a_list_since_a_moment_leaves_out_what_is_older(engine: Engine) -> None:
    engine.define("f", step("a"))
    old, new = engine.run("f"), engine.run("f")
    moment = datetime.now(UTC)
    engine.rows("update pgflow.runs set created_at = %s where run_id = %s", moment - timedelta(hours=2), old)
    assert listed(engine, since=moment - timedelta(hours=1)) == ([new], None)
    assert listed(engine, since=moment - timedelta(days=9))[0] == sorted([old, new], reverse=True)
    assert listed(engine, since=moment + timedelta(days=9)) == ([], None)
    assert len(listed(engine, since="-infinity")[0]) == 2
    assert listed(engine, since="infinity")[0] == []


def test_a_list_stops_after_so_many_rows_and_says_where_to_go_on(engine: Engine) -> None:
    engine.define("f", step("a"))
    rare = engine.run("f", tags='{"rare": true}')
    common = many(engine, "f", 30)
    page, before = listed(engine, tags='{"rare": true}', max_scanned=20)
    assert (page, before) == ([], common[19])
    assert listed(engine, tags='{"rare": true}', max_scanned=20, before=before) == ([rare], None)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("status => 'done'", "status must be running, completed, failed or cancelled, not done"),
        ("tags => '[1]'", "tags must be an object, not of type array"),
        ('"limit" => 0', "limit and max_scanned must be at least 1"),
        ("max_scanned => null", "limit and max_scanned must be at least 1"),
    ],
)
def test_a_list_of_nonsense_is_refused(engine: Engine, argument: str, said: str) -> None:
    with pytest.raises(psycopg.Error, match=said) as refused:
        engine.rows(f"select pgflow.list_runs({argument})")
    assert refused.value.sqlstate == "PF008"


_SCANNED = """select coalesce(sum(seq_tup_read), 0)::int + coalesce(sum(idx_tup_fetch), 0)::int
              from pg_stat_xact_user_tables where schemaname = 'pgflow'"""


def rows_read(engine: Engine, query: str, *params: Any) -> int:
    """Count the rows that a query reads, once its plan is the general one."""
    for _ in range(6):
        engine.rows(query, *params)
    with engine.transaction():
        before: int = engine.value(_SCANNED)
        engine.rows(query, *params)
        return int(engine.value(_SCANNED)) - before


def test_a_list_reads_no_more_runs_than_it_needs(engine: Engine) -> None:
    engine.define("f", step("a"))
    for _ in range(3):
        many(engine, "f", 1000)
    engine.rows("vacuum analyze pgflow.runs")
    assert rows_read(engine, "select pgflow.list_runs()") <= 25
    assert rows_read(engine, "select pgflow.list_runs(status => 'failed', max_scanned => 100)") <= 250


def test_progress_tells_what_changed_and_nothing_large(engine: Engine) -> None:
    engine.define(
        "f", step("a", base_delay=0, max_attempts=2), map_step("m", "run", max_failures=1),
        step("s", required_input={"run": {"x": 1}}), step("end", "a", "m", "s"),
    )  # fmt: skip
    run_id = engine.run("f", [1, 2, 3])
    tasks = engine.take_all()
    engine.fail(tasks["a"], {"message": "no", "traceback": "long"})
    engine.fail(tasks["m[0]"], retryable=False)
    engine.complete(tasks["m[1]"])
    shown = engine.value("select pgflow.get_progress(%s)", run_id)
    assert (shown["run_id"], shown["status"], shown["paused_at"]) == (str(run_id), "running", None)
    counted = ("step_slug", "status", "task_count", "tasks_ended", "attempts")
    assert [tuple(made[name] for name in counted) for made in shown["steps"]] == [
        ("a", "running", 1, 0, 1),
        ("m", "running", 3, 2, 1),
        ("s", "skipped", 1, 1, 0),
        ("end", "pending", 1, 0, 0),
    ]
    engine.fail(engine.take("a"), {"message": "no", "traceback": "long"})
    first = engine.value("select pgflow.get_progress(%s)", run_id)["steps"][0]
    assert (first["status"], first["error"]["message"], "traceback" in first["error"]) == (
        "failed",
        "no",
        False,
    )


def test_progress_shows_what_the_handler_that_runs_now_says(engine: Engine) -> None:
    engine.define("f", step("a", base_delay=0))
    run_id = engine.run("f")
    for said in ({"done": 1, "total": 3}, None):
        task = engine.take("a")
        if said is not None:
            engine.rows(
                "select pgflow.heartbeat_step_tasks(%s)", Jsonb([reference(task) | {"progress": said}])
            )
        (shown,) = engine.value("select pgflow.get_progress(%s)", run_id)["steps"]
        assert (shown["progress"], shown["is_in_hand"]) == (said, True)
        engine.fail(task)
        (shown,) = engine.value("select pgflow.get_progress(%s)", run_id)["steps"]
        assert (shown["progress"], shown["is_in_hand"]) == (None, False)


def test_progress_agrees_with_get_run_at_the_end(engine: Engine) -> None:
    engine.define("f", step("a"), map_step("m", "a"), map_step("n", "m"))
    run_id = engine.run("f")
    engine.work_off({"a": [1, 2, 3]})
    shown = {s["step_slug"]: s for s in engine.value("select pgflow.get_progress(%s)", run_id)["steps"]}
    for made in engine.get_run(run_id)["steps"]:
        for name in ("status", "task_count", "attempts", "started_at", "finished_at", "skip_reason"):
            assert shown[made["step_slug"]][name] == made[name], name
        assert shown[made["step_slug"]]["tasks_ended"] == made["tasks"]["completed"]


def test_progress_reads_no_items(engine: Engine) -> None:
    engine.define("f", map_step("m", "run"))
    run_id = engine.run("f", list(range(3000)))
    engine.rows("vacuum analyze")
    assert rows_read(engine, "select pgflow.get_progress(%s)", run_id) <= 60


def test_a_client_sees_its_own_runs_and_a_viewer_all(engine: Engine) -> None:
    engine.define("f", step("a"))
    runs = {}
    for name in ("ada", "bob"):
        engine.rows("select set_config('request.jwt.claims', %s, false)", f'{{"sub": "{name}"}}')
        runs[name] = engine.run("f")
    engine.rows("set role pgflow_client")
    assert listed(engine) == ([runs["bob"]], None)
    assert listed(engine, owner="ada") == ([], None)
    assert engine.value("select pgflow.get_progress(%s)", runs["bob"])["status"] == "running"
    with pytest.raises(psycopg.Error, match="belongs to another user") as refused:
        engine.rows("select pgflow.get_progress(%s)", runs["ada"])
    assert refused.value.sqlstate == "PF006"
    engine.rows("set role pgflow_viewer")
    assert set(listed(engine)[0]) == set(runs.values())
    assert listed(engine, owner="ada")[0] == [runs["ada"]]
    engine.rows("reset role")


def test_progress_of_no_run_is_refused(engine: Engine) -> None:
    with pytest.raises(psycopg.Error, match="no run") as refused:
        engine.rows("select pgflow.get_progress(%s)", UUID(int=1))
    assert refused.value.sqlstate == "PF003"
