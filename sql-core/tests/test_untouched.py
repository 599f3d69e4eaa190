"""Rule 90: every verb leaves a second, untouched run byte for byte as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from .support.definitions import flow, map_step, step
from .support.engine import Engine, complete_report, fail_report, reference, release_report
from .test_progress import beat

Row = Any
FLOW = flow(
    "f", step("a", base_delay=0, timeout=10_000), map_step("m", "run", timeout=10_000), step("b", "a"),
    map_step("n", "m"), step("s", required_input={"run": {"never": 1}}), step("late", start_delay=900),
    step("end", "b", "n", "s"),
)  # fmt: skip

Verb = Callable[[Engine, UUID, dict[str, Row]], object]


def launches(engine: Engine, tasks: dict[str, Row], **more: object) -> object:
    return engine.launches(*(reference(task) | more for task in tasks.values()))


def lose(engine: Engine, run_id: UUID, _tasks: dict[str, Row]) -> None:
    engine.wait(500)
    engine.maintain(2)
    assert engine.outcomes(run_id, "a") == [(1, "lost")]


def end(engine: Engine, _run_id: UUID, tasks: dict[str, Row]) -> None:
    engine.report(complete_report(task) for task in tasks.values())
    engine.wait(1000)
    while again := [t for t in engine.claim(100) if t.priority == 5]:
        engine.report(complete_report(task) for task in again)


def prune(engine: Engine, run_id: UUID, tasks: dict[str, Row]) -> None:
    end(engine, run_id, tasks)
    engine.wait(10)
    assert engine.value("select pgflow.prune_runs('1 second', 10)") == 1


VERBS: dict[str, Verb] = {
    "complete": lambda e, r, t: e.complete(t["a"], {"out": 1}),
    "complete an item": lambda e, r, t: e.complete(t["m[0]"], 1),
    "complete the map": lambda e, r, t: [e.complete(t["m[0]"]), e.complete(t["m[1]"])],
    "fail": lambda e, r, t: e.fail(t["a"]),
    "fail the run": lambda e, r, t: e.fail(t["m[1]"], retryable=False),
    "release": lambda e, r, t: e.release(*t.values()),
    "report": lambda e, r, t: e.report(
        [complete_report(t["m[0]"]), fail_report(t["a"]), release_report(t["m[1]"])]
    ),
    "exchange": lambda e, r, t: e.exchange([complete_report(t["a"])], 1),
    "heartbeat": lambda e, r, t: e.heartbeat(*t.values(), lease=77),
    "start_step_task": lambda e, r, t: e.begin(t["a"]),
    "record_launches": lambda e, r, t: launches(e, t, outcome="accepted", external_id="x"),
    "reject launches": lambda e, r, t: launches(e, t, outcome="rejected", kind="permanent"),
    "start_step": lambda e, r, t: e.value("select pgflow.start_step(%s, 'b')", r),
    "cancel": lambda e, r, t: e.cancel(r),
    "pause": lambda e, r, t: e.rows("select pgflow.pause_run(%s)", r),
    "pause and resume": lambda e, r, t: e.rows("select pgflow.pause_run(%s), pgflow.resume_run(%s)", r, r),
    "retry": lambda e, r, t: [e.cancel(r), e.retry(r)],
    "retry from a step": lambda e, r, t: [e.cancel(r), e.retry(r, "m")],
    "a loss": lose,
    "ending": end,
    "prune": prune,
    "run": lambda e, r, t: [e.run("f", [1, 2]), e.run_many("f", [[1], [2]])],
    "define": lambda e, r, t: [e.define("f", step("x")), e.define_json(FLOW)],
    "delete another flow": lambda e, r, t: e.rows("select pgflow.delete_flow('other', true)"),
    "maintain": lambda e, r, t: e.maintain(2),
    "pause the executor": lambda e, r, t: e.rows("select pgflow.pause_executor('local', 'upkeep')"),
    "resume the executor": lambda e, r, t: e.rows(
        "select pgflow.pause_executor('local'), pgflow.resume_executor('local')"
    ),
    "postpone": lambda e, r, t: [e.rows("select pgflow.postpone_lease_expiry(60)"), e.wait(40), e.maintain()],
    "set_retention": lambda e, r, t: [
        e.cancel(r),
        e.rows("select pgflow.set_retention('1 second')"),
        e.wait(100),
        e.maintain(),
    ],
    "beat with progress": lambda e, r, t: beat(e, t["a"], {"done": 1}),
    "report logs": lambda e, r, t: e.report([complete_report(t["a"]) | {"log_tail": "words"}]),
    "look around": lambda e, r, t: e.rows(
        """select pgflow.backlog(), pgflow.sweep_lag(), pgflow.next_wake_at('{local}'), pgflow.list_runs(),
             pgflow.get_progress(%s), pgflow.doctor(), pgflow.check_invariants()""",
        r,
        role="pgflow_owner",
    ),
    "get_run": lambda e, r, t: e.get_run(r),
    "claim of another executor": lambda e, r, t: e.claim(10, executor="x"),
}


def bytes_of(engine: Engine, run_id: UUID) -> list[str]:
    """Return every row of every table that names the run, as text, timers and other hints left out.

    A hint may be rewritten for reasons of its own; check_invariants compares it with what it points to.
    """
    tables = engine.rows(
        """select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'run_id'
           where c.relnamespace = 'pgflow'::regnamespace and c.relkind in ('r', 'v')
             and c.relname not in ('ready_tasks', 'parked_tasks') order by 1"""
    )
    query = "select '{0} ' || t::text from pgflow.{0} t where run_id = %s order by 1"
    return [row[0] for (name,) in tables for row in engine.rows(query.format(name), run_id)]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_leaves_an_older_and_a_younger_run_as_they_were(engine: Engine, verb: str) -> None:
    """Rule 90: in the middle of their lives, with tasks of every status."""
    engine.define_json(FLOW)
    engine.define("other", step("a"))
    engine.at(0)
    engine.run("other", start_at="2021-01-01")
    older = bystander(engine)
    touched = engine.run("f", [1, 2], priority=5)
    younger = bystander(engine)
    tasks = {name: task for name, task in engine.take_all().items() if task.run_id == touched}
    assert set(tasks) == {"a", "m[0]", "m[1]"}
    before = [bytes_of(engine, run_id) for run_id in (older, younger)]
    assert min(map(len, before)) > 20
    VERBS[verb](engine, touched, tasks)
    assert [bytes_of(engine, run_id) for run_id in (older, younger)] == before
    assert engine.violations() == []


def bystander(engine: Engine) -> UUID:
    """Return a run with completed, failed, running, parked, pending and skipped parts, and nothing ready."""
    run_id = engine.run("f", [1, 2, 3], priority=9)
    tasks = {t.step_slug + str(t.task_index): t for t in engine.claim(4, lease=5000)}
    assert {t.run_id for t in tasks.values()} == {run_id}
    engine.complete(tasks["m0"], "kept")
    engine.fail(tasks["m1"], retry_after=3000)
    engine.fail(tasks["a0"], retry_after=4000)
    engine.rows("select pgflow.pause_run(%s)", run_id)
    return run_id
