"""Reports that the dispatcher makes itself, where no handler could or did."""

from __future__ import annotations

from pgflow.dispatcher.attempts import LiveTask
from pgflow.executor import Rejected, TaskReport

__all__ = ["options_invalid", "rejected"]


def options_invalid(task: LiveTask, error: ValueError) -> TaskReport:
    """Fail a task, for good, whose step has options that the executor refuses."""
    message = (
        f"step {task.step_slug!r} of flow {task.flow_slug!r} has executor_options that cannot be used: "
        f"{error}; mend them and deploy the flow again"
    )
    return _fail(task, "OPTIONS_INVALID", message)


def rejected(task: LiveTask, result: Rejected, delay: float) -> TaskReport:
    """Hand back what an executor would not run now, or fail what it never will; `delay` in seconds."""
    error = {"code": "LAUNCH_REJECTED", "message": result.reason}
    if result.kind == "permanent":
        return _fail(task, error["code"], error["message"])
    return TaskReport(
        task.run_id,
        task.step_slug,
        task.task_index,
        task.token,
        "release",
        error=error,
        retry_after_seconds=delay,
    )


def _fail(task: LiveTask, code: str, message: str) -> TaskReport:
    return TaskReport(
        task.run_id,
        task.step_slug,
        task.task_index,
        task.token,
        "fail",
        error={"code": code, "message": message},
        retryable=False,
    )
