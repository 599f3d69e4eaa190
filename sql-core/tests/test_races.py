"""Two sessions at the same instant: fan-in, fan-out, cancel, failure, starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report, fail_report
from .support.sessions import as_client, together

Open = Callable[[], Engine]
Row = Any

TRIES = 200


def tasks_by_run(engine: Engine, count: int) -> dict[Any, dict[str, Row]]:
    """Claim `count` tasks; return them by run and by `slug` or `slug[index]`."""
    found: dict[Any, dict[str, Row]] = {}
    while count > 0:
        claimed = engine.claim(min(count, 1000))
        assert claimed
        count -= len(claimed)
        for task in claimed:
            name = task.step_slug if task.step_type == "single" else f"{task.step_slug}[{task.task_index}]"
            found.setdefault(task.run_id, {})[name] = task
    return found


def test_a_join_starts_once_when_two_sessions_end_its_last_dependencies(
    engine: Engine, open_engine: Open
) -> None:
    """Rule 31: 200 tries: two steps, by single verbs."""
    other = open_engine()
    engine.define("f", step("a"), step("b"), step("join", "a", "b"))
    engine.run_many("f", list(range(TRIES)))
    for run_id, tasks in tasks_by_run(engine, 2 * TRIES).items():
        answers = together(
            lambda t=tasks: engine.complete(t["a"], 1), lambda t=tasks: other.complete(t["b"], 2)
        )
        assert answers == ["completed", "completed"]
        assert engine.steps(run_id)["join"] == "running"
    joins = [task for _ in range(2) for task in engine.claim(500)]
    assert len(joins) == len({task.run_id for task in joins}) == TRIES
    assert all(task.input == {"a": 1, "b": 2} for task in joins)


@pytest.mark.parametrize("last", [(0, 1), (0, 16), (3, 20)], ids=["two slots", "one slot", "shared locks"])
def test_a_map_ends_once_when_two_sessions_end_its_last_items(
    engine: Engine, open_engine: Open, last: tuple[int, int]
) -> None:
    """Rule 31: items of one map, whose counter may be split."""
    other = open_engine()
    engine.define("f", map_step("m", "run"), step("end", "m"))
    tries, size = TRIES // 3, max(last) + 1
    engine.run_many("f", [list(range(size))] * tries)
    runs = tasks_by_run(engine, tries * size)
    early = [
        complete_report(t) for tasks in runs.values() for t in tasks.values() if t.task_index not in last
    ]
    for first in range(0, len(early), 500):
        assert set(engine.report(early[first : first + 500])) == {"completed"}
    for run_id, tasks in runs.items():
        left, right = (tasks[f"m[{index}]"] for index in last)
        assert (
            together(lambda t=left: engine.complete(t), lambda t=right: other.complete(t))
            == ["completed"] * 2
        )
        assert engine.steps(run_id) == {"m": "completed", "end": "running"}
    assert len(engine.claim(500)) == tries


def test_a_step_and_a_map_end_into_one_join_from_two_sessions(engine: Engine, open_engine: Open) -> None:
    """Rule 31: by batches over many runs in opposite order."""
    other = open_engine()
    engine.define("f", step("a"), map_step("m", "run"), step("join", "a", "m"))
    for _ in range(TRIES // 10):
        engine.run_many("f", [[1, 2]] * 10)
        runs = list(tasks_by_run(engine, 30).values())
        mine = [complete_report(tasks["a"]) for tasks in runs]
        theirs = [complete_report(tasks[f"m[{i}]"]) for tasks in reversed(runs) for i in (1, 0)]
        answers = together(
            lambda r=mine: as_client(lambda: engine.report(r)),
            lambda r=theirs: as_client(lambda: other.report(r)),
        )
        assert answers == [["completed"] * 10, ["completed"] * 20]
        joins = engine.claim(100)
        assert [task.step_slug for task in joins] == ["join"] * 10
        engine.report(complete_report(task) for task in joins)
    assert engine.value("select count(*) from pgflow.runs where status = 'completed'") == TRIES


@pytest.mark.parametrize("end", ["cancel", "sibling fails"])
def test_nothing_stays_alive_when_a_run_ends_while_a_report_fans_out(
    engine: Engine, open_engine: Open, end: str
) -> None:
    """Rule 85: 250 tries each: never a live task under a dead run, never a deadlock that reaches the user."""
    other = open_engine()
    engine.define("f", step("a"), step("bad"), map_step("m", "a"), *(step(f"s{i}", "a") for i in range(4)))
    tries = 250
    engine.run_many("f", list(range(tries)))
    for run_id, tasks in tasks_by_run(engine, 2 * tries).items():
        ending = {
            "cancel": lambda r=run_id: other.cancel(r),
            "sibling fails": lambda t=tasks: other.fail(t["bad"], retryable=False),
        }[end]
        answers = together(lambda t=tasks: engine.complete(t["a"], [1, 2, 3]), ending)
        assert answers[0] in ("completed", "stale")
        assert answers[1] in ("cancelled", "failed")
        completed = answers[0] == "completed"
        assert (engine.step(run_id, "a").status == "completed") == completed
        assert {t.status for t in engine.tasks(run_id)} <= {"completed", "failed", "cancelled"}
    assert engine.violations() == []
    assert engine.claim(10) == []


def test_a_claim_and_a_cancel_at_once_leave_no_live_task(engine: Engine, open_engine: Open) -> None:
    """Rule 85: whoever is first: the claimed task is cancelled and fenced, or it was never claimed."""
    other = open_engine()
    engine.define("f", map_step("m", "run"), step("a"))
    for _ in range(TRIES // 2):
        run_id = engine.run("f", list(range(8)))
        claimed, answer = together(lambda: engine.claim(6), lambda r=run_id: other.cancel(r))
        assert answer == "cancelled"
        assert {t.status for t in engine.tasks(run_id)} == {"cancelled"}
        assert engine.heartbeat(*claimed) == ["cancel"] * len(claimed)
        assert all(engine.complete(task) == "stale" for task in claimed[:2])
        assert engine.outcomes(run_id, "a") in ([], [(1, "cancelled")])
    assert engine.violations() == []


def test_a_cancel_and_a_retry_of_the_run_at_once_leave_it_sound(engine: Engine, open_engine: Open) -> None:
    """Rule 85: in either order, with a claimer beside them."""
    other, third = open_engine(), open_engine()
    engine.define("f", step("a"), map_step("m", "run"), step("b", "a", "m"))
    run_id = engine.run("f", [1, 2])
    for _ in range(60):
        engine.cancel(run_id)

        def retry() -> str:
            try:
                return other.retry(run_id)
            except psycopg.Error as error:
                if error.sqlstate != "PF005":  # it runs: the cancel came later
                    raise
                return "refused"

        together(retry, lambda: third.claim(2), lambda: engine.cancel(run_id))
        assert engine.violations() == []
    engine.cancel(run_id)
    engine.retry(run_id)
    engine.work_off()
    assert engine.status(run_id) == "completed"


def test_a_loss_and_its_late_report_at_once_count_once(engine: Engine, open_engine: Open) -> None:
    """Rule 29: the result is kept, or somebody else has the task: never both, never neither."""
    other = open_engine()
    engine.define("f", step("a", timeout=1_000_000), step("b", "a"))
    for session in (engine, other):
        session.at(0)
    for _ in range(TRIES // 2):
        run_id = engine.run("f")
        task = engine.take("a")
        for session in (engine, other):
            session.wait(1000)
        answer, claimed = together(lambda t=task: engine.complete(t, "late"), lambda: other.claim(5))
        again = [t for t in claimed if t.step_slug == "a"]
        assert (answer, len(again)) in (("completed", 0), ("stale", 1))
        for t in again:
            assert other.complete(t, "again") == "completed"
        assert engine.step(run_id, "a").output == ("late" if answer == "completed" else "again")
        assert engine.work_off() + len(claimed) - len(again) == 1
        engine.cancel(run_id)
    assert engine.violations() == []


def test_batches_from_four_sessions_on_the_same_runs(engine: Engine, open_engine: Open) -> None:
    """Rule 86: completing and failing siblings of the same 10 runs: no deadlock reaches our clients."""
    sessions = [engine, *(open_engine() for _ in range(3))]
    engine.define(
        "f",
        *(step(f"s{i}") for i in range(8)),
        map_step("m", "run"),
        step("end", *(f"s{i}" for i in range(8)), "m"),
    )
    for turn in range(8):
        engine.run_many("f", [list(range(8))] * 10)
        tasks = [t for run in tasks_by_run(engine, 160).values() for t in run.values()]
        tasks.sort(key=lambda t: (hash((t.step_slug, t.task_index, turn)), t.run_id))
        batches = []
        for number in range(4):
            mine = tasks[number::4]
            fails = number == 3
            batches.append(
                [
                    fail_report(t, retryable=False) if fails and i % 20 == turn else complete_report(t)
                    for i, t in enumerate(mine)
                ]
            )
        answers = together(
            *(lambda s=s, b=b: as_client(lambda: s.report(b)) for s, b in zip(sessions, batches, strict=True))
        )
        assert {answer for batch in answers for answer in batch} <= {"completed", "failed", "stale"}
        assert engine.violations() == []
        engine.work_off()
    assert engine.value("select count(*) from pgflow.runs where status = 'running'") == 0


def test_two_sessions_send_the_same_items_in_opposite_order(engine: Engine, open_engine: Open) -> None:
    """Rule 86: duplicates under shared locks: each item completes once, nobody deadlocks."""
    other = open_engine()
    engine.define("f", map_step("m", "run"))
    for _ in range(40):
        run_id = engine.run("f", list(range(60)))
        tasks = engine.claim(60)
        there = [complete_report(t, "there") for t in tasks[:50]]
        back = [complete_report(t, "back") for t in reversed(tasks[:50])]
        first, second = together(
            lambda r=there: as_client(lambda: engine.report(r)),
            lambda r=back: as_client(lambda: other.report(r)),
        )
        pairs = [{a, b} for a, b in zip(first, reversed(second), strict=True)]
        assert pairs == [{"completed", "duplicate"}] * 50
        engine.cancel(run_id)


def test_pausing_against_claims_and_completions_loses_no_task(engine: Engine, open_engine: Open) -> None:
    """Rule 63: after the last resume everything is still there."""
    other, third = open_engine(), open_engine()
    engine.define("f", step("a"), map_step("m", "a"), step("end", "m"))
    run_id = engine.run("f")

    def toggle() -> None:
        for _ in range(5):
            third.rows("select pgflow.pause_run(%s)", run_id)
            third.rows("select pgflow.resume_run(%s)", run_id)

    def work(session: Engine) -> int:
        tasks = session.claim(3)
        session.report(complete_report(t, list(range(40)) if t.step_slug == "a" else 1) for t in tasks)
        return len(tasks)

    done = 0
    for _ in range(60):
        done += sum(filter(None, together(toggle, lambda: work(engine), lambda: work(other))))
        if engine.status(run_id) != "running":
            break
    while engine.status(run_id) == "running" and (more := work(engine)):
        done += more
    assert engine.status(run_id) == "completed"
    assert done == 42
