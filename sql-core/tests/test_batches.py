"""`report_step_tasks`: many reports, each answered by itself."""

from __future__ import annotations

import json
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report, fail_report, refused, release_report

MISSING = object()

# What is changed in a good report, each by itself; a key may be missing.
SPOILS: list[dict[str, object]] = [
    *({key: MISSING} for key in ("run_id", "step_slug", "task_index", "attempt_token", "outcome")),
    *({key: None} for key in ("run_id", "step_slug", "task_index", "attempt_token", "outcome")),
    *({"run_id": value} for value in ("r", "", 5, {}, [])),
    *({"step_slug": value} for value in (5, {}, [], True)),
    *({"task_index": value} for value in ("zero", "", 0.5, 3_000_000_000, -3_000_000_000, {}, True)),
    *({"attempt_token": value} for value in ("t", "", 7, {})),
    *({"outcome": value} for value in ("explode", "", "Complete", 1, {})),
    *({"outcome": "fail", "error": {}, "retryable": value} for value in ("maybe", 5, {})),
    *({"outcome": "fail", "error": {}, "retry_after_seconds": value} for value in ("soon", {}, -5, 1e300)),
]


def spoiled(report: dict[str, object], change: dict[str, object]) -> dict[str, object]:
    """Return a report with one thing wrong."""
    return {key: value for key, value in (report | change).items() if value is not MISSING}


@pytest.fixture
def many(engine: Engine) -> Engine:
    """An engine that knows the flow `f` of one step `a`."""
    engine.define("f", step("a"))
    return engine


def test_a_bad_shape_is_invalid_and_spoils_nothing(many: Engine) -> None:
    """Rule 89: 'invalid', in order; the others applied, the attempt it named untouched."""
    for change in SPOILS:
        many.run_many("f", [1, 2, 3])
        first, second, third = many.claim(3)
        bad = spoiled(complete_report(second), change)
        answers = many.report([complete_report(first), bad, complete_report(third)])
        assert answers == ["completed", "invalid", "completed"], bad
        assert many.task(second.run_id, "a").status == "running", bad
        assert many.complete(second) == "completed", bad


def test_an_entry_that_is_no_report_is_invalid(many: Engine) -> None:
    """Rule 89: whatever JSON holds; alone and among others."""
    for entry in ("report", "", None, 5, [], {}, True):
        many.run_many("f", [1, 2])
        first, second = many.claim(2)
        assert many.report([entry]) == ["invalid"], entry
        answers = many.report([complete_report(first), entry, complete_report(second)])
        assert answers == ["completed", "invalid", "completed"], entry


def test_an_unknown_task_is_unknown_and_spoils_nothing(many: Engine) -> None:
    """Rule 89: no such run, step or index."""
    many.run_many("f", [1, 2])
    first, second = many.claim(2)
    unknown = [
        complete_report(first) | {"run_id": str(uuid4())},
        fail_report(first) | {"step_slug": "nowhere"},
        release_report(first) | {"task_index": 1},
        complete_report(first) | {"task_index": -1},
    ]
    answers = many.report([complete_report(first), *unknown, complete_report(second)])
    assert answers == ["completed", *["unknown"] * 4, "completed"]


def test_a_batch_of_a_hundred_with_a_few_culprits(many: Engine) -> None:
    """Rule 89: NUL fails the whole call and nothing else; then 97 are applied, the rest answered."""
    many.run_many("f", list(range(99)))
    tasks = many.claim(100)
    assert many.complete(tasks[50]) == "completed"
    reports: list[object] = [complete_report(task) for task in tasks]
    reports[20] = {"outcome": "complete"}
    reports.insert(70, complete_report(tasks[0]) | {"run_id": str(uuid4())})
    poisoned = json.dumps(reports).replace('"output": null', '"output": "\\u0000"', 1)
    with pytest.raises(psycopg.DataError) as caught:
        many.rows("select * from pgflow.report_step_tasks(%s::jsonb)", poisoned)
    assert (caught.value.sqlstate or "").startswith("22")
    assert many.value("select count(*) from pgflow.step_tasks where status = 'running'") == 98
    culprit = fail_report(tasks[0], retryable=False) | {"error": {"code": "OUTPUT_INVALID", "message": "NUL"}}
    answers = many.report([culprit, *reports[1:]])
    assert answers[0] == "failed"
    assert (answers[20], answers[50], answers[70]) == ("invalid", "duplicate", "unknown")
    assert answers.count("completed") == 96
    assert many.stored_run(tasks[0].run_id).error["code"] == "OUTPUT_INVALID"


def test_an_empty_batch_is_no_error(many: Engine) -> None:
    """Rule 89: nothing in, nothing out."""
    assert many.report([]) == []
    assert many.release() == []
    assert many.launches() == []


def test_reports_that_are_no_array_are_refused(many: Engine) -> None:
    """DESIGN 3: PF008, for every batch verb."""
    for call in (
        "report_step_tasks",
        "release_step_tasks",
        "heartbeat_step_tasks",
        "record_launches",
        "observe_launches",
    ):
        for reports in ({}, "x", 5, None):
            with refused("PF008", "array"):
                many.rows(f"select * from pgflow.{call}(%s)", Jsonb(reports))


def test_more_than_500_reports_are_refused(many: Engine) -> None:
    """DESIGN 3.3: PF007; 500 are taken."""
    many.run_many("f", list(range(501)))
    tasks = many.claim(600)
    reports = [complete_report(task) for task in tasks]
    with refused("PF007", "500"):
        many.report(reports)
    assert many.value("select count(*) from pgflow.step_tasks where status = 'running'") == 501
    assert many.report(reports[:500]) == ["completed"] * 500


def test_a_batch_may_mix_verbs_runs_and_kinds(engine: Engine) -> None:
    """DESIGN 3.3: each by its outcome, statuses in order."""
    engine.define("f", step("a"), map_step("m", "run"), step("b"))
    runs = [engine.run("f", [0, 1, 2]) for _ in range(4)]
    tasks = sorted(engine.claim(100), key=lambda t: (t.task_index, t.step_slug, t.run_id))
    verbs = [complete_report, fail_report, release_report]
    expected = ["completed", "retrying", "released"]
    answers = engine.report(verbs[i % 3](task) for i, task in enumerate(tasks))
    assert answers == [expected[i % 3] for i in range(len(tasks))]
    status = {"completed": "completed", "retrying": "queued", "released": "queued"}
    stored = {(t.run_id, t.step_slug, t.task_index): t.status for run in runs for t in engine.tasks(run)}
    for task, answer in zip(tasks, answers, strict=True):
        assert stored[task.run_id, task.step_slug, task.task_index] == status[answer]


def test_reports_of_a_step_and_its_dependent_in_one_batch(engine: Engine) -> None:
    """DESIGN 3.3: a task of a step that starts in this batch is not known before it."""
    engine.define("f", step("a"), step("b", "a"))
    run_id = engine.run("f")
    task = engine.take("a")
    ahead = complete_report(task) | {"step_slug": "b"}
    assert engine.report([complete_report(task), ahead])[0] == "completed"
    assert engine.steps(run_id) == {"a": "completed", "b": "running"}
    assert engine.complete(engine.take("b")) == "completed"


def test_a_release_with_delay_hides_the_task(many: Engine) -> None:
    """Rule 50: delay_seconds; no budget consumed, attempt numbers go on, history says released."""
    many.at(0)
    run_id = many.run("f")
    for attempt in range(1, 6):
        task = many.take()
        assert (task.attempt, task.failures) == (attempt, 0)
        assert many.release(task, delay=10) == ["released"]
        assert many.claim(1) + many.claim(1) == []
        many.wait(10.5)
    assert many.outcomes(run_id, "a") == [(n, "released") for n in range(1, 6)]
    assert many.task(run_id, "a").failures == 0


def test_a_release_at_once_is_claimable_at_once(many: Engine) -> None:
    """Rule 50: without delay; also of a launched task, which costs no launch either."""
    run_id = many.run("f")
    many.release(many.take())
    task = many.take(mode="launch")
    many.release(task)
    assert many.complete(many.take()) == "completed"
    assert many.outcomes(run_id, "a") == [(1, "released"), (2, "released")]
    assert many.task(run_id, "a").launch_failures == 0


def test_a_release_of_several_is_answered_in_order(many: Engine) -> None:
    """DESIGN 3.3: released or stale."""
    many.run_many("f", list(range(4)))
    tasks = many.claim(4)
    many.complete(tasks[1])
    many.cancel(tasks[2].run_id)
    assert many.release(*tasks) == ["released", "stale", "stale", "released"]
    assert len(many.claim(10)) == 2


def test_a_duration_out_of_range_is_refused_and_changes_nothing(many: Engine) -> None:
    """DESIGN 3: PF008 naming the argument."""
    many.run("f")
    task = many.take()
    for seconds in (-5, 1e300, float("inf"), float("nan")):
        with refused("PF008", "delay_seconds"):
            many.release(task, delay=seconds)
        with refused("PF008", "retry_after_seconds"):
            many.fail(task, retry_after=seconds)
    assert many.complete(task) == "completed"
