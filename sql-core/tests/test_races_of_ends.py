"""Sessions that finish, reopen and remove the same things at the same instant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import psycopg

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report, fail_report
from .support.sessions import as_client, together

Open = Callable[[], Engine]


def test_four_clients_finish_one_map(engine: Engine, open_engine: Open) -> None:
    """Rule 31: by batches of every size, by shared and exclusive locks: it ends once, with every output."""
    sessions = [engine, *(open_engine() for _ in range(3))]
    engine.define("f", map_step("m", "run", max_failures=1000), step("end", "m"))
    random = Random(5)
    for size in (1, 5, 16, 17, 40, 100, 300, 300):
        run_id = engine.run("f", list(range(size)))
        tasks = engine.claim(size)
        random.shuffle(tasks)
        failing = {task.task_index for task in tasks if random.random() < 0.05}

        def report(task: Any, failing: set[int] = failing) -> dict[str, Any]:
            if task.task_index in failing:
                return fail_report(task, retryable=False)
            return complete_report(task, task.task_index)

        def work(number: int, tasks: list[Any] = tasks, report: Callable[[Any], Any] = report) -> None:
            mine = tasks[number::4]
            while mine:
                count = 1 + len(mine) % 7
                batch, mine = mine[:count], mine[count:]
                reports = [report(task) for task in batch]
                answers = as_client(partial(sessions[number].report, reports))
                assert set(answers) <= {"completed", "failed"}

        together(*(partial(work, number) for number in range(4)))
        assert engine.steps(run_id) == {"m": "completed", "end": "running"}
        expected = [None if index in failing else index for index in range(size)]
        assert engine.take("end").input == {"m": expected}


def test_two_maps_and_a_step_of_one_run_end_at_once(engine: Engine, open_engine: Open) -> None:
    """Rule 31: four sessions, one join, a hundred tries."""
    sessions = [engine, *(open_engine() for _ in range(3))]
    engine.define(
        "f",
        map_step("m", "run"),
        map_step("n", "run"),
        step("a"),
        step("b"),
        step("join", "m", "n", "a", "b"),
    )
    for _ in range(100):
        run_id = engine.run("f", [1])
        tasks = engine.claim(4)
        calls = (partial(session.complete, task) for session, task in zip(sessions, tasks, strict=True))
        assert together(*calls) == ["completed"] * 4
        assert len(engine.tasks(run_id, "join")) == 1
        engine.complete(engine.take("join"))
        assert engine.status(run_id) == "completed"


def test_a_flow_deleted_while_its_runs_start_leaves_no_orphan(engine: Engine, open_engine: Open) -> None:
    """Rule 10: a start is refused or its run is deleted too, or the flow was defined again in time."""
    other, third = open_engine(), open_engine()
    for _ in range(60):
        engine.define("f", step("a"), map_step("m", "run"))

        def start() -> str:
            try:
                other.run_many("f", [[1], [2]])
            except psycopg.Error as error:
                if error.sqlstate != "PF002":
                    raise
                return "refused"
            return "started"

        together(start, partial(engine.rows, "select pgflow.delete_flow('f', true)"), partial(third.claim, 3))
        orphans = """select count(*) from pgflow.runs r where not exists (
                       select 1 from pgflow.flows f
                       where f.flow_slug = r.flow_slug and f.flow_version = r.flow_version)"""
        assert engine.value(orphans) == 0
        assert engine.violations() == []
        third.claim(10)


def test_a_run_pruned_while_it_is_retried_is_whole_or_gone(engine: Engine, open_engine: Open) -> None:
    """Rule 64: never a running run with rows missing."""
    other = open_engine()
    engine.define("f", map_step("m", "run"), step("a"), step("b", "a", "m"))
    for session in (engine, other):
        session.at(0)
    pruned = 0
    for _ in range(80):
        run_id = engine.run("f", [1, 2])
        engine.cancel(run_id)
        for session in (engine, other):
            session.wait(100)

        def retry(run_id: object = run_id) -> str:
            try:
                return other.retry(run_id)  # type: ignore[arg-type]
            except psycopg.Error as error:
                if error.sqlstate != "PF003":
                    raise
                return "gone"

        answer, count = together(retry, partial(engine.value, "select pgflow.prune_runs('1 second', 10)"))
        assert (answer == "gone") == (count == 1)
        pruned += count  # type: ignore[operator]
        assert engine.violations() == []
        if answer != "gone":
            assert engine.work_off() == 4
            assert engine.status(run_id) == "completed"
            engine.rows("select pgflow.delete_flow('f', true)")
            engine.define("f", map_step("m", "run"), step("a"), step("b", "a", "m"))


def test_starts_and_definitions_at_once_each_run_on_a_whole_version(
    engine: Engine, open_engine: Open
) -> None:
    """Rule 3: a run that starts while its flow changes runs on the old or on the new version."""
    other = open_engine()
    engine.define("f", *(step(f"v0_{i}") for i in range(5)))
    for turn in range(1, 40):
        steps = [step(f"v{turn}_{i}") for i in range(5)]
        started, made = together(partial(other.start, "f"), partial(engine.define, "f", *steps))
        assert started.flow_version in (made.flow_version, made.flow_version - 1)
        expected = {f"v{started.flow_version - 1}_{i}" for i in range(5)}
        assert set(engine.steps(started.run_id)) == expected


def test_a_flow_deleted_while_its_runs_are_pruned(engine: Engine, open_engine: Open) -> None:
    """Rule 10: both delete the same rows: neither is the victim of a deadlock."""
    other = open_engine()
    for _ in range(5):
        engine.define("f", step("a"), map_step("m", "run"))
        for row in engine.run_many("f", [[1, 2]] * 200):
            engine.cancel(row.run_id)
        together(
            partial(engine.rows, "select pgflow.delete_flow('f', true)"),
            partial(other.rows, "select pgflow.prune_runs('0 seconds', 150)"),
        )
        assert engine.value("select count(*) from pgflow.runs") == 0
