"""`pgflow resume`: the end of a pause."""

from __future__ import annotations

from pgflow.cli._command import pgflow_command
from pgflow.cli._pausing import change_pause, pause_target
from pgflow.cli._session import Session
from pgflow.database.statements.operations import resume_executor
from pgflow.database.statements.runs import resume_run


@pgflow_command("resume", example="pgflow resume 0199f3a1\npgflow resume --executor gpu")
@pause_target
def command(session: Session, run_id: str | None, executor: str | None) -> None:
    """End the pause of a run or of an executor.

    RUN_ID may be abbreviated to a unique start, or `latest`.
    """
    change_pause(session, run_id, executor, of_run=resume_run, of_executor=resume_executor)
