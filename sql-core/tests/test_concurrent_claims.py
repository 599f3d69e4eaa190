"""Many claimers over one queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report
from .support.sessions import as_client, together

CLAIMERS = 16


def test_each_task_is_in_one_claimers_hands_only(engine: Engine, open_engine: Callable[[], Engine]) -> None:
    """Rule 19: 16 claimers over 2,000 tasks, never more than max_tasks each time."""
    engine.define("f", step("a", timeout=10_000), map_step("m", "run", timeout=10_000))
    engine.run_many("f", [list(range(9))] * 200)
    sessions = [open_engine() for _ in range(CLAIMERS)]

    def drain(number: int) -> list[tuple[Any, ...]]:
        mine: list[tuple[Any, ...]] = []
        misses = 0
        while misses < 3:
            limit = 1 + (number * 7 + len(mine)) % 23
            tasks = sessions[number].claim(limit, worker=f"w{number}", lease=5000)
            assert len(tasks) <= limit
            misses = 0 if tasks else misses + 1
            mine += [(t.run_id, t.step_slug, t.task_index, t.attempt, t.attempt_token) for t in tasks]
        return mine

    taken = together(*(lambda n=n: drain(n) for n in range(CLAIMERS)))
    everything = [task for mine in taken for task in mine]
    assert len(everything) == 2000
    assert len({task[:3] for task in everything}) == 2000
    assert len({task[4] for task in everything}) == 2000
    assert {task[3] for task in everything} == {1}
    owners = Counter(
        t.worker_id for t in engine.rows("select worker_id from pgflow.step_tasks where status = 'running'")
    )
    assert owners == {f"w{n}": len(mine) for n, mine in enumerate(taken) if mine}


def test_claimers_and_reporters_together_finish_everything_once(
    engine: Engine, open_engine: Callable[[], Engine]
) -> None:
    """Rule 19: eight workers that claim, hand back and complete: one attempt of each task is accepted."""
    engine.define("f", step("a"), map_step("m", "a"), step("end", "m"))
    engine.run_many("f", list(range(40)))
    sessions = [open_engine() for _ in range(8)]
    accepted: list[tuple[Any, ...]] = []

    def outcome(task: Any, number: int) -> dict[str, object]:
        if (task.task_index + task.attempt + number) % 5 == 0 and task.attempt < 3:
            return complete_report(task) | {"outcome": "release"}
        return complete_report(
            task, [1, 2, 3, 4, 5] if task.step_slug == "a" else f"w{number}.{task.attempt}"
        )

    def work(number: int) -> None:
        reports: list[dict[str, object]] = []
        idle = 0
        while idle < 30:
            rows = as_client(partial(sessions[number].exchange, reports, 4, worker=f"w{number}"))
            for row in rows:
                if row.kind == "report" and row.status == "completed":
                    sent = reports[row.ordinal - first_ordinal]
                    accepted.append((sent["run_id"], sent["step_slug"], sent["task_index"]))
            tasks = [row for row in rows if row.kind == "task"]
            reports = [outcome(task, number) for task in tasks]
            idle = 0 if tasks else idle + 1
            if not engine_busy(sessions[number]):
                break

    probe = engine.exchange([{}], 0)
    first_ordinal = next(row.ordinal for row in probe if row.kind == "report")
    together(*(lambda n=n: work(n) for n in range(8)))
    assert engine.value("select count(*) from pgflow.runs where status = 'completed'") == 40
    assert len(accepted) == len(set(accepted)) == 40 * 7


def engine_busy(session: Engine) -> bool:
    return bool(session.value("select exists (select 1 from pgflow.runs where status = 'running')"))
