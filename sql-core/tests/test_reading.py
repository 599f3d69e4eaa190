"""What readers see: get_run, the read contract, the channels."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report, fail_report

COLUMNS = {
    "flows": "flow_slug, flow_version, definition, definition_hash, is_active, created_at",
    "steps": "flow_slug, flow_version, step_slug, step_index, step_type, executor, executor_options, handler",
    "deps": "flow_slug, flow_version, dep_slug, step_slug",
    "runs": """run_id, flow_slug, flow_version, status, input, output, error, priority, idempotency_key, tags,
               owner, created_at, finished_at""",
    "step_states": """run_id, step_slug, status, task_count, output, error, skip_reason, started_at,
                      finished_at""",
    "step_tasks": """run_id, step_slug, task_index, status, attempt, failures, launch_failures, executor,
                     worker_id, external_id, visible_at, lease_expires_at, input, output, error, queued_at,
                     started_at, finished_at""",
    "step_task_attempts": """run_id, step_slug, task_index, attempt, outcome, error, worker_id, external_id,
                             log_tail""",
    "task_attempts": "run_id, step_slug, task_index, attempt",
    "task_logs": "run_id, step_slug, task_index, attempt, log_tail, recorded_at",
    "live_task_logs": "run_id, step_slug, task_index, attempt, log_tail, log_end, reported_at",
}


def test_the_read_contract_is_kept(engine: Engine) -> None:
    """DESIGN 3.1: these names can be read, times are timestamptz."""
    for name, columns in COLUMNS.items():
        engine.rows(f"select {columns} from pgflow.{name}")
    times = engine.rows(
        """select table_name || '.' || column_name, data_type from information_schema.columns
           where table_schema = 'pgflow' and table_name = any(%s) and column_name like '%%\\_at'""",
        list(COLUMNS),
    )
    assert len(times) > 10
    assert {kind for _, kind in times} == {"timestamp with time zone"}


def test_get_run_shows_a_run_in_one_call(engine: Engine) -> None:
    """CONTRACT: run, steps, task counts."""
    engine.define(
        "f", step("a", base_delay=0), map_step("m", "run", max_failures=1),
        step("s", required_input={"run": {"x": 1}}), step("end", "a", "m", "s"), returns="a",
    )  # fmt: skip
    engine.at(0)
    run_id = engine.run("f", [1, 2, 3, 4], priority=5)
    tasks = engine.take_all()
    engine.fail(tasks["a"])
    engine.fail(tasks["m[0]"], retryable=False)
    engine.complete(tasks["m[1]"])
    engine.release(tasks["m[2]"])
    shown = engine.get_run(run_id)
    expected = {
        "run_id": str(run_id), "flow_slug": "f", "flow_version": 1, "status": "running", "priority": 5,
        "input": [1, 2, 3, 4], "output": None,
    }  # fmt: skip
    assert {name: shown[name] for name in expected} == expected
    assert {"error", "tags", "owner", "paused_at", "created_at", "finished_at"} <= set(shown)
    steps = {made["step_slug"]: made for made in shown["steps"]}
    assert [made["step_slug"] for made in shown["steps"]] == ["a", "m", "s", "end"]
    counted = {k: v for k, v in steps["m"]["tasks"].items() if v}
    assert counted == {"failed": 1, "completed": 1, "queued": 1, "running": 1}
    assert set(steps["m"]["tasks"]) == {"queued", "claimed", "running", "completed", "failed", "cancelled"}
    assert (steps["m"]["step_type"], steps["m"]["task_count"], steps["m"]["attempts"]) == ("map", 4, 2)
    assert (steps["a"]["attempts"], steps["a"]["tasks"]["queued"]) == (1, 1)
    assert (steps["s"]["status"], steps["s"]["skip_reason"]) == ("skipped", "condition_unmet")
    assert sorted(steps["end"]["deps"]) == ["a", "m", "s"]
    assert steps["end"]["started_at"] is None


def test_get_run_shows_how_it_ended(engine: Engine) -> None:
    """CONTRACT: outputs and errors of run and steps."""
    engine.define("f", step("a"), step("b", "a"))
    done, failed = engine.run("f"), engine.run("f")
    for task in engine.claim(2):
        engine.complete(task, "A") if task.run_id == done else engine.fail(
            task, {"message": "no"}, retryable=False
        )
    engine.work_off({"b": "B"})
    good, bad = engine.get_run(done), engine.get_run(failed)
    assert (good["status"], good["output"], good["error"]) == ("completed", {"b": "B"}, None)
    assert [made["output"] for made in good["steps"]] == ["A", "B"]
    assert good["finished_at"] is not None
    assert (bad["status"], bad["error"]["message"]) == ("failed", "no")
    assert [made["status"] for made in bad["steps"]] == ["failed", "cancelled"]


class Listener:
    """A session that listens on both channels."""

    def __init__(self, session: Engine) -> None:
        self._session = session
        self._heard: list[tuple[str, str]] = []
        session.connection.add_notify_handler(
            lambda notice: self._heard.append((notice.channel, notice.payload))
        )
        session.rows("listen pgflow_ready")
        session.rows("listen pgflow_events")

    def heard(self) -> list[tuple[str, str]]:
        """Return what was notified since the last call: an answer carries all that was committed before."""
        self._session.rows("select 1")
        found, self._heard[:] = list(self._heard), []
        return found


@pytest.fixture
def listener(open_engine: Callable[[], Engine]) -> Listener:
    """A listening session beside the engine's."""
    return Listener(open_engine())


def test_ready_work_is_announced_once_a_transaction(engine: Engine, listener: Listener) -> None:
    """DESIGN 3.4: executor names, comma separated."""
    engine.define("f", step("a"), step("b", executor="x"), map_step("m", "run", executor="x"))
    with engine.transaction():
        engine.run("f", [1, 2, 3])
        engine.run_many("f", [[1], [2]])
    (notice,) = listener.heard()
    assert notice[0] == "pgflow_ready"
    assert set(notice[1].split(",")) == {"local", "x"}


def test_work_that_is_not_ready_is_not_announced(engine: Engine, listener: Listener) -> None:
    """DESIGN 3.4: delayed and paused work wakes nobody."""
    engine.define("f", step("a", start_delay=60))
    engine.run("f")
    assert listener.heard() == []


def test_work_taken_by_the_caller_itself_is_not_announced(engine: Engine, listener: Listener) -> None:
    """DESIGN 3.4: only work that stays ready after the caller's own claim."""
    engine.define("f", step("a"), step("b", "a"), step("c", "b"), step("d", "b"))
    engine.run("f")
    task = engine.take("a")
    listener.heard()
    (task,) = (row for row in engine.exchange([complete_report(task)], 1) if row.kind == "task")
    assert listener.heard() == []
    engine.exchange([complete_report(task)], 1)
    assert listener.heard() == [("pgflow_ready", "local")]


def test_work_behind_older_work_wakes_nobody_again(engine: Engine, listener: Listener) -> None:
    """A notification holds a lock of the whole cluster: one is enough until somebody has come."""
    engine.define("f", step("a"))
    engine.define("other", step("a", executor="x"))
    engine.run("f")
    assert listener.heard() == [("pgflow_ready", "local")]
    engine.run("f")
    assert listener.heard() == []
    engine.run("other")
    assert listener.heard() == [("pgflow_ready", "x")]
    assert len(engine.claim(2)) == 2
    engine.run("f")
    assert listener.heard() == [("pgflow_ready", "local")]


def test_work_behind_work_that_is_being_claimed_is_announced(
    engine: Engine, open_engine: Callable[[], Engine], listener: Listener
) -> None:
    """That claim does not see it."""
    engine.define("f", step("a"))
    engine.run("f")
    listener.heard()
    claimer = open_engine()
    with claimer.transaction():
        claimer.take()
        engine.run("f")
        assert listener.heard() == [("pgflow_ready", "local")]


def test_an_old_snapshot_does_not_keep_work_from_being_announced(
    engine: Engine, open_engine: Callable[[], Engine], listener: Listener
) -> None:
    """What it still sees waiting was claimed long ago."""
    engine.define("f", step("a"))
    engine.run("f")
    late = open_engine()
    with late.transaction():
        late.rows("set transaction isolation level repeatable read")
        late.rows("select 1")
        engine.take()
        listener.heard()
        late.run("f")
    assert listener.heard() == [("pgflow_ready", "local")]


def test_the_end_of_a_run_is_announced_once(engine: Engine, listener: Listener) -> None:
    """Rule 58: exactly one run-level event, whatever the end."""
    engine.define("f", step("a"), step("b"))
    runs = [engine.run("f") for _ in range(3)]
    tasks = {(t.run_id, t.step_slug): t for t in engine.claim(10)}
    listener.heard()
    engine.complete(tasks[runs[0], "a"])
    assert listener.heard() == []
    engine.complete(tasks[runs[0], "b"])
    assert listener.heard() == [("pgflow_events", str(runs[0]))]
    engine.fail(tasks[runs[1], "b"], retryable=False)
    assert listener.heard() == [("pgflow_events", str(runs[1]))]
    engine.cancel(runs[2])
    engine.cancel(runs[2])
    assert listener.heard() == [("pgflow_events", str(runs[2]))]


def test_ends_in_one_transaction_are_one_event(engine: Engine, listener: Listener) -> None:
    """DESIGN 3.4: ids, comma separated; `*` when they are too many for a payload."""
    engine.define("f", step("a", max_attempts=1))
    started = {str(row.run_id) for row in engine.run_many("f", list(range(5)))}
    reports = [complete_report(task) for task in engine.claim(5)]
    listener.heard()
    engine.report(reports)
    ((channel, payload),) = listener.heard()
    assert (channel, set(payload.split(","))) == ("pgflow_events", started)
    started = {str(row.run_id) for row in engine.run_many("f", list(range(6)))}
    tasks = engine.claim(6)
    listener.heard()
    made = [fail_report] * 3 + [complete_report] * 3
    engine.report(report(task) for report, task in zip(made, tasks, strict=True))
    ((channel, payload),) = listener.heard()
    assert (channel, sorted(payload.split(","))) == ("pgflow_events", sorted(started))
    engine.run_many("f", list(range(500)))
    reports = [complete_report(task) for task in engine.claim(500)]
    listener.heard()
    engine.report(reports)
    assert listener.heard() == [("pgflow_events", "*")]


def test_a_rolled_back_transaction_announces_nothing(engine: Engine, listener: Listener) -> None:
    """Rule 17: nothing happened."""
    engine.define("f", step("a"))
    with engine.connection.transaction(force_rollback=True):
        engine.run("f")
        engine.work_off()
    assert listener.heard() == []


def test_the_schema_has_a_version(engine: Engine) -> None:
    """CONTRACT: schema_version()."""
    assert engine.value("select pgflow.schema_version()") >= 1


def test_a_sound_database_has_no_violation_and_a_spoiled_one_has(engine: Engine) -> None:
    """Rule 81: check_invariants can fail: each kind of damage is seen, by run and overall."""
    engine.define("f", step("a"), map_step("m", "run"), step("b", "a", "m"))
    run_id, other = engine.run("f", [1, 2]), engine.run("f", [1, 2])
    engine.take_all()
    assert engine.violations() == []
    damage = [
        "update pgflow.runs set status = 'completed', finished_at = now() where run_id = %s",
        "update pgflow.runs set status = 'failed', finished_at = now() where run_id = %s",
        "update pgflow.runs set status = 'done' where run_id = %s",
        "update pgflow.runs set finished_at = now() where run_id = %s",
        "update pgflow.runs set remaining_steps = -1 where run_id = %s",
        "update pgflow.run_steps set status = 'done' where run_id = %s and step_slug = 'b'",
        "update pgflow.run_steps set finished_at = now() where run_id = %s and step_slug = 'b'",
        "update pgflow.run_steps set skip_reason = 'condition_unmet' where run_id = %s and step_slug = 'b'",
        "update pgflow.map_tasks set end_status = 'done', finished_at = now() where run_id = %s",
        "update pgflow.map_tasks set finished_at = now() where run_id = %s",
        "update pgflow.map_counters set remaining = -remaining where run_id = %s",
    ]
    for statement in damage:
        with engine.connection.transaction(force_rollback=True):
            engine.rows(statement, run_id)
            assert engine.violations(run_id)
            assert engine.violations()
            assert engine.violations(other) == []
