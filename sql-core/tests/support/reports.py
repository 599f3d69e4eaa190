"""Reports as both sides take them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from ..oracle import Run
from .engine import complete_report, fail_report, release_report

Row = Any


@dataclass(frozen=True)
class Report:
    """What a worker says of one attempt."""

    task: Row
    verb: str
    output: Any
    retryable: bool

    def apply(self, run: Run) -> str:
        """Tell the oracle."""
        task = self.task
        return run.report(
            task.step_slug, task.task_index, task.attempt, self.verb, self.output, retryable=self.retryable
        )

    def json(self) -> dict[str, Any]:
        """Return the report as a batch carries it."""
        if self.verb == "complete":
            return complete_report(self.task, self.output)
        return (
            fail_report(self.task, retryable=self.retryable)
            if self.verb == "fail"
            else release_report(self.task)
        )


def commute(run: Run, reports: list[Report]) -> bool:
    """Whether each of the reports could come first without changing an answer or what becomes of the run."""
    seen = []
    for first in range(len(reports)):
        trial = copy.deepcopy(run)
        order = reports[first:] + reports[:first]
        answers = {id(report): report.apply(trial) for report in order}
        if trial.contested:
            return False
        seen.append(([answers[id(report)] for report in reports], trial.status, trial.output, trial.states))
    return all(outcome == seen[0] for outcome in seen)
