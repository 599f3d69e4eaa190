"""Reports that the dispatcher makes itself, where no handler could or did."""

from __future__ import annotations

from pgflow.dispatcher.attempts import LiveTask
from pgflow.executor import Observation, Phase, Rejected, TaskReport

__all__ = ["no_report", "options_invalid", "rejected"]


def options_invalid(task: LiveTask, error: ValueError) -> TaskReport:
    """Fail a task, for good, whose step has options that the executor refuses."""
    message = (
        f"step {task.step_slug!r} of flow {task.flow_slug!r} has executor_options that cannot be used: "
        f"{error}; mend them and deploy the flow again"
    )
    return _fail(task, "OPTIONS_INVALID", message, retryable=False)


def rejected(task: LiveTask, result: Rejected, delay: float) -> TaskReport:
    """Hand back what an executor would not run now, or fail what it never will; `delay` in seconds."""
    error = {"code": "LAUNCH_REJECTED", "message": result.reason}
    if result.kind == "permanent":
        return _fail(task, error["code"], error["message"], retryable=False)
    return TaskReport(
        task.run_id,
        task.step_slug,
        task.task_index,
        task.token,
        "release",
        error=error,
        retry_after_seconds=delay,
    )


def no_report(task: LiveTask, seen: Observation) -> TaskReport:
    """Fail an attempt whose code ended without reporting."""
    how = "is gone" if seen.phase is Phase.NOT_FOUND else f"ended ({seen.phase.value})"
    detail = f": {seen.detail}" if seen.detail else ""
    return _fail(
        task, seen.code or "NO_REPORT", f"the attempt {how} without a report{detail}", log_tail=seen.log_tail
    )


def _fail(
    task: LiveTask, code: str, message: str, *, retryable: bool = True, log_tail: str | None = None
) -> TaskReport:
    return TaskReport(
        task.run_id,
        task.step_slug,
        task.task_index,
        task.token,
        "fail",
        error={"code": code, "message": message},
        retryable=retryable,
        log_tail=log_tail,
    )
