"""Whether every task has exactly one accepted result, whatever was broken."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .server import Server

_TASKS = (
    "with task as (select run_id, step_slug, task_index, status, attempt from pgflow.step_tasks), "
    "trace as (select run_id, step_slug, task_index, attempt, count(*) as calls from chaos.effects "
    "group by 1, 2, 3, 4) "
)


@dataclass
class Verdict:
    """The figures of one game, and what is wrong with them."""

    figures: dict[str, object] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def must_be(self, name: str, found: object, expected: object) -> None:
        self.figures[name] = found
        if found != expected:
            self.wrong.append(f"{name}: {found!r}, expected {expected!r}")

    def table(self) -> str:
        rows = [f"| {name} | {value} |" for name, value in self.figures.items()]
        return "\n".join(["| | |", "|---|---|", *rows])


def judge(server: Server, expected: dict[str, int], tasks: int) -> Verdict:
    """Compare what the database holds with what was asked of it: run outputs by idempotency key."""
    verdict = Verdict()
    runs = server.rows("select idempotency_key, status, (output->>'add_up')::bigint from pgflow.runs")
    verdict.must_be("runs completed with the right output", right(runs, expected), len(expected))
    verdict.must_be("runs started twice, or by nobody", len(runs) - len(expected), 0)
    statuses = dict(server.rows("select status, count(*) from pgflow.step_tasks group by 1"))
    verdict.must_be("tasks completed", statuses.get("completed", 0), tasks)
    verdict.must_be("tasks in another state", sum(statuses.values()) - statuses.get("completed", 0), 0)
    ((twice,),) = server.rows(_TASKS + "select count(*) from trace where calls > 1")
    verdict.must_be("attempts that ran twice", twice, 0)
    ((unproven,),) = server.rows(
        _TASKS + "select count(*) from task left join trace using (run_id, step_slug, task_index, attempt) "
        "where trace.calls is null"
    )
    verdict.must_be("results accepted of an attempt that did not run", unproven, 0)
    ((unknown,),) = server.rows(
        _TASKS + "select count(*) from trace left join task using (run_id, step_slug, task_index) "
        "where trace.attempt > coalesce(task.attempt, 0)"
    )
    verdict.must_be("handlers that ran for no claim", unknown, 0)
    verdict.must_be("violated invariants", server.rows("select * from pgflow.check_invariants()"), [])
    ((ran,),) = server.rows("select count(*) from chaos.effects")
    outcomes = Counter(
        dict(server.rows("select outcome, count(*) from pgflow.step_task_attempts group by 1"))
    )
    verdict.figures["handlers that ran to their end"] = ran
    for outcome, number in sorted(outcomes.items()):
        verdict.figures[f"attempts {outcome}"] = number
    return verdict


def right(runs: list[tuple[object, ...]], expected: dict[str, int]) -> int:
    return sum(status == "completed" and output == expected.get(str(key)) for key, status, output in runs)
