"""`pgflow pause`: nothing new of a run, or on an executor."""

from __future__ import annotations

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._pausing import change_pause, pause_target
from pgflow.cli._problems import Problem
from pgflow.cli._session import Session
from pgflow.database.statements.operations import pause_executor
from pgflow.database.statements.runs import pause_run


@pgflow_command(
    "pause", example='pgflow pause 0199f3a1\npgflow pause --executor gpu --reason "out of credit"'
)
@pause_target
@click.option("--reason", help="With --executor: kept with the pause, for whoever looks at it later.")
def command(session: Session, run_id: str | None, executor: str | None, reason: str | None) -> None:
    """Let nothing new start, of a run or on an executor.

    RUN_ID may be abbreviated to a unique start, or `latest`.  What runs may finish; `pgflow resume` goes on.
    An executor is paused for every run, whichever dispatcher serves it.
    """
    if reason is not None and executor is None:
        raise Problem("--reason is of an executor's pause", mend="leave it out, or name --executor NAME")
    change_pause(
        session, run_id, executor, of_run=pause_run, of_executor=lambda name: pause_executor(name, reason)
    )
